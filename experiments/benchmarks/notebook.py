"""What one would write in a notebook in confemb's place: gensim for the vectors, pandas and seaborn for what is shown.

    python experiments/benchmarks/notebook.py PREDICTIONS.npz FOLDER

It makes the same kinds of output as `confemb embed --embedder skipgram --seeds 1 --bootstraps 0`, without its page:
vectors, every pair's cosine, the square table, each class's ten nearest, a clustered heatmap and a dendrogram as PNG
and SVG. `embed_imagenet.py` times both.
"""

import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from gensim.models import Word2Vec
from scipy.cluster.hierarchy import dendrogram
from sklearn.metrics.pairwise import cosine_similarity

file, folder = sys.argv[1], Path(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
data = np.load(file)
names = data["class_names"].tolist()
pairs = []
for label, top in zip(data["labels"], data["topk"], strict=True):
    pairs += [[names[label], names[predicted]] for predicted in top[:3]]
np.random.default_rng(0).shuffle(pairs)
model = Word2Vec(pairs, vector_size=50, window=1, min_count=1, sg=1, sample=0, negative=5, workers=1, seed=0)
model.wv.save_word2vec_format(str(folder / "embedding.txt"))

similarity = pd.DataFrame(cosine_similarity(model.wv[names]), index=names, columns=names)
similarity.to_csv(folder / "similarity_matrix.csv", float_format="%.6f")
rows, columns = np.triu_indices(len(names), k=1)
counts = pd.crosstab(data["labels"], data["topk"][:, 0]).reindex(index=range(len(names)), columns=range(len(names)))
counts = counts.fillna(0).to_numpy()
shares = counts / counts.sum(axis=1, keepdims=True)
long = pd.DataFrame(
    {
        "class_1": np.array(names)[rows],
        "class_2": np.array(names)[columns],
        "cosine": similarity.to_numpy()[rows, columns],
        "count_similarity": ((shares + shares.T) / 2)[rows, columns],
    }
)
long.to_csv(folder / "similarities.csv", index=False, float_format="%.6f")
nearest = [
    {"class": name, "rank": rank + 1, "nearest": other, "cosine": value}
    for name in names
    for rank, (other, value) in enumerate(model.wv.most_similar(name, topn=10))
]
pd.DataFrame(nearest).to_csv(folder / "nearest.csv", index=False)

grid = sns.clustermap(similarity, cmap="vlag", center=0, method="average", figsize=(10, 10))
for kind in ("png", "svg"):
    grid.savefig(folder / f"heatmap.{kind}")
figure, axes = plt.subplots(figsize=(8, 40))
dendrogram(grid.dendrogram_row.linkage, labels=names, orientation="right", ax=axes)
for kind in ("png", "svg"):
    figure.savefig(folder / f"dendrogram.{kind}")

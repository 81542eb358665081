import numpy as np
import pytest
from gensim.models import Word2Vec, word2vec

from confemb import embedders
from confemb.embedders import skipgram
from confemb.embedders.skipgram import SkipGram
from confemb.embedders.word2vec import NegativeSampling
from confemb.records import pair_corpus
from confemb.records.pair_corpus import PairCorpus
from confemb.records.pairs import PairCounts, count_pairs, pairs_from_confusions
from confemb.records.prediction_files import load_pairs, save_predictions
from confemb.support.errors import ConfembError


@pytest.fixture
def counts(predictions) -> PairCounts:
    return count_pairs(predictions, k=3)


def test_blocks_confused_within_are_found():
    # Three classes each; a class is taken for one of its own block nine times as often as for another.
    block = np.arange(6) // 3
    confusions = np.where(block[:, None] == block, 450, 50)
    counts = pairs_from_confusions(confusions, ("a", "b", "c", "x", "y", "z"))
    cosine = SkipGram(dim=3).embed(counts, seed=1).cosine().values
    within = block[:, None] == block
    np.fill_diagonal(within, False)
    across = block[:, None] != block
    assert cosine[within].min() > 0.8
    assert cosine[across].max() < 0.2


def test_same_counts_and_seed_give_the_same_bytes(counts):
    one, two, other = (SkipGram().embed(counts, seed=seed) for seed in (3, 3, 4))
    assert one.vectors.tobytes() == two.vectors.tobytes()
    assert one.vectors.tobytes() != other.vectors.tobytes()
    assert one.vectors.shape == (6, 5)
    assert one.class_names == counts.class_names


@pytest.mark.parametrize("order", ["shuffled", "sorted"])
@pytest.mark.parametrize("compiled", [True, False], ids=["compiled function", "public train"])
def test_the_bytes_are_those_of_gensim_on_a_plain_list(counts, order, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(skipgram, "_train_batch", lambda: None)
    # 600 pairs in batches of 50, and one batch for all.
    embedder = SkipGram(dim=4, epochs=3, order=order)
    sentences = [list(pair) for pair in PairCorpus(counts, order=order, seed=2)]
    for batch_words in (100, 10_000):
        arguments = embedder.gensim_arguments(2) | {"batch_words": batch_words}
        plain = Word2Vec(sentences=sentences, sg=1, **arguments)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(NegativeSampling, "gensim_arguments", lambda self, seed, found=arguments: found)
            model = embedder.train(counts, seed=2)
        assert model.wv.index_to_key == plain.wv.index_to_key
        assert model.wv.vectors.tobytes() == plain.wv.vectors.tobytes()
        assert model.syn1neg.tobytes() == plain.syn1neg.tobytes()
        for what in ("corpus_count", "corpus_total_words", "train_count", "min_alpha_yet_reached"):
            assert getattr(model, what) == getattr(plain, what)


def test_a_gensim_without_the_compiled_function_is_seen(monkeypatch):
    assert skipgram._train_batch() is word2vec.train_batch_sg
    monkeypatch.delattr(word2vec, "train_batch_sg")
    assert skipgram._train_batch() is None


def test_runs_in_threads_give_the_bytes_of_runs_one_by_one(counts, monkeypatch):
    monkeypatch.setattr(embedders, "usable_cores", lambda: 3)
    runs = embedders.embed_runs(SkipGram(), counts, range(7))
    for seed, vectors in zip(runs.seeds, runs.vectors, strict=True):
        assert vectors.tobytes() == SkipGram().embed(counts, seed=seed).vectors.tobytes()


def test_a_failure_in_a_thread_arrives(monkeypatch):
    counts = pairs_from_confusions(np.diag([5, 5]), ("cat", "dog"))
    monkeypatch.setattr(embedders, "usable_cores", lambda: 2)
    monkeypatch.setattr(pair_corpus, "MAX_CORPUS_PAIRS", 3)
    with pytest.raises(ConfembError, match="10 pairs are more than"):
        embedders.embed_runs(SkipGram(), counts, range(5))


def test_order_of_pictures_and_file_format_change_nothing(predictions, counts, tmp_path):
    expected = SkipGram().embed(counts, seed=0).vectors.tobytes()
    shuffled = predictions.where(np.random.default_rng(9).permutation(len(predictions)))
    assert SkipGram().embed(count_pairs(shuffled, k=3), seed=0).vectors.tobytes() == expected
    save_predictions(shuffled, tmp_path / "p.parquet")
    np.savez(
        tmp_path / "p.npz",
        labels=predictions.labels,
        topk=predictions.top_classes,
        class_names=np.array(predictions.class_names),
    )
    for name in ("p.parquet", "p.npz"):
        loaded, _ = load_pairs(tmp_path / name)
        assert SkipGram().embed(loaded, seed=0).vectors.tobytes() == expected


def test_every_class_has_a_vector_though_rare():
    # gensim's defaults would drop a class seen less than five times, and thin out the frequent ones.
    confusions = np.array([[5000, 100, 0], [100, 5000, 1], [0, 0, 1]])
    embedding = SkipGram().embed(pairs_from_confusions(confusions, ("cat", "dog", "yeti")), seed=0)
    assert embedding.class_names == ("cat", "dog", "yeti")
    assert (np.linalg.norm(embedding.vectors, axis=1) > 0).all()


def test_a_class_in_no_pair_is_named():
    confusions = np.array([[5, 1, 0], [1, 5, 0], [0, 0, 5]])
    counts = pairs_from_confusions(confusions, ("cat", "dog", "yeti"), self_pairs="drop")
    with pytest.raises(ConfembError, match="1 classes stand in no pair and can get no vector: 'yeti'"):
        SkipGram().embed(counts, seed=0)


def test_order_is_part_of_the_recipe(counts):
    shuffled, ordered = (SkipGram(order=order).embed(counts, seed=0) for order in ("shuffled", "sorted"))
    assert shuffled.vectors.tobytes() != ordered.vectors.tobytes()


def test_settings_reach_gensim(counts):
    base = SkipGram().embed(counts, seed=0).vectors
    assert SkipGram(dim=2).embed(counts, seed=0).vectors.shape == (6, 2)
    for changed in (
        SkipGram(negative=2),
        SkipGram(epochs=6),
        SkipGram(learning_rate=0.05),
        SkipGram(min_learning_rate=0.01),
    ):
        assert not np.array_equal(changed.embed(counts, seed=0).vectors, base)


def test_a_rate_does_not_rise():
    with pytest.raises(ConfembError, match=r"min_learning_rate = 0\.0001 lies above learning_rate = 5e-05"):
        SkipGram(learning_rate=5e-5)
    assert SkipGram(learning_rate=5e-5, min_learning_rate=5e-5).learning_rate == 5e-5

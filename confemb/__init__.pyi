# The front page: every public name once. `confemb/__init__.py` imports each when it is first used.
from . import (
    analysis as analysis,
)
from . import (
    classifiers as classifiers,
)
from . import (
    cli as cli,
)
from . import (
    datasets as datasets,
)
from . import (
    embedders as embedders,
)
from . import (
    networks as networks,
)
from . import (
    pipeline as pipeline,
)
from . import (
    records as records,
)
from . import (
    references as references,
)
from . import (
    reporting as reporting,
)
from . import (
    result as result,
)
from . import (
    spaces as spaces,
)
from . import (
    stats as stats,
)
from . import (
    studies as studies,
)
from . import (
    support as support,
)
from .analysis.options import AnalysisOptions as AnalysisOptions
from .classifiers.adapters.callables import CallableClassifier as CallableClassifier
from .classifiers.adapters.flax import FlaxClassifier as FlaxClassifier
from .classifiers.adapters.huggingface import HuggingFaceClassifier as HuggingFaceClassifier
from .classifiers.adapters.onnx import OnnxClassifier as OnnxClassifier
from .classifiers.adapters.sklearn import SklearnClassifier as SklearnClassifier
from .classifiers.adapters.sklearn import out_of_fold as out_of_fold
from .classifiers.adapters.torch import TorchClassifier as TorchClassifier
from .classifiers.classification import classify as classify
from .datasets import open_dataset as open_dataset
from .embedders import EMBEDDERS as EMBEDDERS
from .embedders.confusion_rate import ConfusionRate as ConfusionRate
from .embedders.counts import Counts as Counts
from .embedders.counts import count_similarity as count_similarity
from .embedders.diffusion import Diffusion as Diffusion
from .embedders.skipgram import SkipGram as SkipGram
from .pipeline.experiment import load_experiment as load_experiment
from .pipeline.run import run_experiment as run_experiment
from .records.class_cells import load_class_names as load_class_names
from .records.classifier import Classifier as Classifier
from .records.embedding import ClassEmbedding as ClassEmbedding
from .records.embedding import EmbeddingRuns as EmbeddingRuns
from .records.pairs import (
    PairCounts as PairCounts,
)
from .records.pairs import (
    count_pairs as count_pairs,
)
from .records.pairs import (
    pairs_from_confusions as pairs_from_confusions,
)
from .records.prediction_files import (
    load_pairs as load_pairs,
)
from .records.prediction_files import (
    load_predictions as load_predictions,
)
from .records.prediction_files import (
    save_predictions as save_predictions,
)
from .records.predictions import Predictions as Predictions
from .records.predictions import predictions_from_scores as predictions_from_scores
from .records.predictions_from import predictions_from as predictions_from
from .records.read_options import ReadOptions as ReadOptions
from .records.similarity import SimilarityMatrix as SimilarityMatrix
from .references import open_reference as open_reference
from .references.comparison import compare as compare
from .result import Result as Result
from .result import analyze as analyze
from .result import open_result as open_result
from .stats.counting import count_shards as count_shards
from .studies.tracking import Tracker as Tracker
from .support.errors import ConfembError as ConfembError

__version__: str

# The names of `import amt_utils as amt`, in the order in which a user meets them. Read by lazy_loader at run time.

from . import figures as figures
from .system.session import start as start
from .config import Config as Config, load_config as load_config, save_config as save_config
from .data.library import (
    find_recordings as find_recordings,
    load_notes as load_notes,
    take_inventory as take_inventory,
)
from .data.maestro.catalogue import open_maestro as open_maestro
from .audio.reading import load_audio as load_audio
from .results.transcription import (
    load_example as load_example,
    offer_downloads as offer_downloads,
    transcribe as transcribe,
)
from .results.batch import transcribe_batch as transcribe_batch, transcribe_folder as transcribe_folder
from .transcription.transcriber import Transcriber as Transcriber
from .widget import AudioInput as AudioInput, PianoRoll as PianoRoll
from .figures.feature_figures import plot_hcqt as plot_hcqt
from .figures.plots import plot_roll as plot_roll
from .evaluation.folder import evaluate as evaluate
from .evaluation.systems import compare_systems as compare_systems
from .evaluation.nmf import NmfTranscriber as NmfTranscriber
from .data.synth import render as render
from .data.tidy import check_pairs as check_pairs
from .data.preprocess import preprocess as preprocess
from .training.stored_windows import open_processed as open_processed
from .data.own_piano.preparing import (
    make_example_recordings as make_example_recordings,
    prepare_recordings as prepare_recordings,
)
from .data.own_piano.align import align_files as align_files
from .data.own_piano.session_sheet import make_sheet as make_sheet
from .data.own_piano.sheet_score import save_sheet as save_sheet
from .training.sizes import suggest_config as suggest_config
from .training.trainer import train as train
from .training.ablation import run_rows as run_rows
from .training.search.study import run_search as run_search
from .training.search.threshold_studies import tune_thresholds as tune_thresholds

__version__: str

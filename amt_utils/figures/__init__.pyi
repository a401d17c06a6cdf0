# The names of `amt.figures`, notebook by notebook. Read by lazy_loader at run time.

from .plots import (
    plot_roll as plot_roll,
    plot_spectrogram as plot_spectrogram,
    plot_waveform as plot_waveform,
)
from .eda import (  # notebook 01
    analyse as analyse,
    balance_table as balance_table,
    composers_table as composers_table,
    find_outliers as find_outliers,
    leaks_table as leaks_table,
    show_source as show_source,
    summarise as summarise,
)
from .eda_figures import (
    plot_balance as plot_balance,
    plot_composers as plot_composers,
    plot_density as plot_density,
    plot_durations as plot_durations,
    plot_eras as plot_eras,
    plot_pedals as plot_pedals,
    plot_pitches as plot_pitches,
    plot_polyphony as plot_polyphony,
    plot_velocities as plot_velocities,
    plot_years as plot_years,
)
from .excerpts import (  # notebook 02
    find_lonely_note as find_lonely_note,
    load_excerpt as load_excerpt,
)
from .feature_figures import (
    explore as explore,
    plot_channels as plot_channels,
    plot_harmonic_stack as plot_harmonic_stack,
    plot_hcqt as plot_hcqt,
    plot_note as plot_note,
    plot_resolutions as plot_resolutions,
    plot_views as plot_views,
)
from .data_figures import (  # notebooks 03, 06 and 08
    disk_table as disk_table,
    findings_table as findings_table,
    fractions_table as fractions_table,
    inventory_table as inventory_table,
    plot_alignment as plot_alignment,
    plot_labels as plot_labels,
    plot_onsets as plot_onsets,
    plot_throughput as plot_throughput,
    prepared_table as prepared_table,
    selection_table as selection_table,
    shapes_table as shapes_table,
    show_page as show_page,
)
from .ablation_figures import plot_rows as plot_rows  # notebook 04
from .architecture import draw_architecture as draw_architecture
from .language import choose_language as choose_language  # notebooks 04, 06 and 07
from .training_figures import (
    LiveView as LiveView,
    memory_table as memory_table,
    plot_targets as plot_targets,
    plot_times as plot_times,
    plot_training_window as plot_training_window,
    run_table as run_table,
    settings_table as settings_table,
    show_tensorboard as show_tensorboard,
)
from .mistake_figures import (  # notebook 05
    plot_causes as plot_causes,
    plot_errors as plot_errors,
    plot_pedal as plot_pedal,
    plot_recall_by as plot_recall_by,
    plot_systems as plot_systems,
    plot_thresholds as plot_thresholds,
    plot_timing as plot_timing,
    plot_velocity as plot_velocity,
    show_errors as show_errors,
)
from .search_figures import (  # notebook 07
    plot_search as plot_search,
    space_table as space_table,
)

"""The commands of `attunet` with their arguments and help texts; their bodies are in the sibling modules.

The docstrings of the command functions are the help texts that users read.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from attunet_gui import __version__
from attunet_gui.cli.worklist_command_line import worklist_app

app = typer.Typer(
    name="attunet",
    help="Annotation assistant for the pancreas in abdominal CT. Research use only, not a medical device.",
    no_args_is_help=False,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
models_app = typer.Typer(help="List, show, verify and measure models.", no_args_is_help=True)
app.add_typer(models_app, name="models")
kinds_app = typer.Typer(
    help="Kinds of CT that synthesis knows: list them, make their test sets, measure models.",
    no_args_is_help=True,
)
app.add_typer(kinds_app, name="kinds")
app.add_typer(worklist_app, name="worklist")

ModelOption = Annotated[
    str | None, typer.Option("--model", "-m", help="Name of a model, or the folder of a bundle.")
]
RunOption = Annotated[Path, typer.Option("-o", "--output", metavar="RUN", help="Folder of the run.")]
DataOption = Annotated[
    list[str] | None,
    typer.Option("--data", metavar="NAME=FOLDER", help="Where a source of the recipe lies; once for each."),
]
DatasetOption = Annotated[
    tuple[str, Path] | None,
    typer.Option(
        "--dataset", metavar="NAME DIR", help="Train and test on a public collection: nih-pancreas-ct."
    ),
]
StartOption = Annotated[
    Path | None, typer.Option("--from", metavar="BUNDLE", help="Start from the weights of this bundle.")
]
LabelOption = Annotated[
    int | None,
    typer.Option(
        "--label", metavar="VALUE", help="Value of the pancreas in label files; else the one value beside 0."
    ),
]
RestartOption = Annotated[bool, typer.Option("--restart", help="Begin anew in a folder that has a run.")]


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Without a command: open the window."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        from attunet_gui.cli.window_launcher import open_window

        open_window(None)


@app.command()
def gui(
    case: Annotated[Path | None, typer.Argument(help="A CT: file, or folder of a DICOM series.")] = None,
) -> None:
    """Open the window, with a CT if one is given."""
    from attunet_gui.cli.window_launcher import open_window

    open_window(case)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where screenshots go when there is no display.")] = Path(
        "out/demo"
    ),
) -> None:
    """Open the window on a demo CT, already drafted. Without a display: the same on a virtual one."""
    from attunet_gui.cli.window_launcher import open_demo

    open_demo(out)


@app.command()
def predict(
    source: Annotated[Path, typer.Argument(metavar="INPUT", help="A CT, or a folder of them.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")],
    model: ModelOption = None,
    gates: Annotated[bool, typer.Option("--gates", help="Also write the gate coefficients.")] = False,
    probability: Annotated[bool, typer.Option("--probability", help="Also write the probability.")] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace masks that others made, corrected ones too.")
    ] = False,
    tta: Annotated[bool, typer.Option("--tta", help="Average five looks; five times as slow.")] = False,
) -> None:
    """Draft the pancreas in every CT of INPUT, on the grid of each source."""
    from attunet_gui.system.nibabel_import import import_nibabel_without_pydicom

    # Before anything else imports nibabel: nibabel would load pydicom, which a prediction may never need.
    import_nibabel_without_pydicom()
    from attunet_gui.cli.predict_command import PredictCommandOptions, predict_all

    raise typer.Exit(
        predict_all(source, output, model, PredictCommandOptions(gates, probability, overwrite, tta))
    )


@app.command()
def evaluate(
    model: Annotated[
        str | None, typer.Argument(help="Name of a model, or the folder of a bundle; none with --pred.")
    ] = None,
    pred: Annotated[
        Path | None, typer.Option(help="Folder of masks to compare with those of --truth.")
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Folder of true masks, or a data set.")] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of their CT, for the pictures.")] = None,
    label: LabelOption = None,
    pred_label: Annotated[
        int | None, typer.Option(metavar="VALUE", help="Value of the pancreas in --pred, if it is another.")
    ] = None,
    ignore: Annotated[int | None, typer.Option(help="Value of what is not judged in --truth.")] = None,
    slices: Annotated[
        Path | None, typer.Option(help="Folder with images/ and masks/ as JPEG slices.")
    ] = None,
    pairs: Annotated[Path | None, typer.Option(help="Folder with images/ and labels/ as .nii.gz.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder for the results.")] = None,
    spacing: Annotated[
        list[float] | None, typer.Option(help="Assumed pixel size of slices, mm; give several to compare.")
    ] = None,
    folds: Annotated[Path | None, typer.Option(help="File of folds; only patients of --fold.")] = None,
    fold: Annotated[int, typer.Option(min=0, help="Which fold, counted from 0.")] = 0,
    hold_gates: Annotated[bool, typer.Option("--hold-gates", help="Also hold each gate. Slow.")] = False,
    tta: Annotated[bool, typer.Option("--tta", help="Also average five looks. Slow.")] = False,
) -> None:
    """Measure a model on labelled CT, or masks against masks: DSC, surface distances, volumes, a report."""
    from attunet_gui.cli import evaluate_command as command
    from attunet_gui.cli.evaluate_command import evaluate_pairs, folders_to_compare
    from attunet_gui.evaluation.pair_matching import PairComparisonOptions

    folders = folders_to_compare(model, pred, truth)
    if folders:
        evaluate_pairs(PairComparisonOptions(*folders, images, label, ignore, pred_label), output)
        return
    data = replace(command.source_from_options(slices, pairs, folds, fold), label=label)
    command.evaluate_model(
        str(model), data, command.EvaluateCommandOptions(output, tuple(spacing or (0.8,)), hold_gates, tta)
    )


@app.command("export")
def export_cases(
    project: Annotated[str, typer.Argument(metavar="PROJECT", help="Its folder, or its database's URL.")],
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="nnunet, msd, nifti or dicomseg.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder of the data set.")],
    status: Annotated[
        list[str] | None, typer.Option(help="Only cases of this one, else accepted; may be repeated.")
    ] = None,
    keep_identifiers: Annotated[
        bool,
        typer.Option(
            "--keep-identifiers",
            help="Keep file names, annotators' names and, in dicomseg, all that DICOM says of the patient.",
        ),
    ] = False,
) -> None:
    """Export a project's cases as a data set, without anything of the patients; again: what has changed."""
    from attunet_gui.cli.export_command import export_project, parse_export_request
    from attunet_gui.project.project_store import open_project

    with closing(open_project(project)) as opened:
        export_project(parse_export_request(opened, output, form, status or ("accepted",), keep_identifiers))


@app.command()
def phantom(
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for CT and label.")],
    seed: Annotated[int, typer.Option(min=0, help="Which phantom.")] = 7,
    shape: Annotated[tuple[int, int, int], typer.Option(help="Voxels along z y x.")] = (96, 256, 256),
    spacing: Annotated[tuple[float, float, float], typer.Option(help="Voxel size along z y x, mm.")] = (
        2.5,
        1.5,
        1.5,
    ),
) -> None:
    """Make a synthetic abdominal CT and its true pancreas label, as NIfTI."""
    from attunet_gui.cli.synthesis_commands import write_phantom

    write_phantom(output, seed, shape, spacing)


@app.command()
def synthesize(
    label_maps: Annotated[
        list[Path],
        typer.Argument(metavar="LABELMAP...", help="Label maps: NIfTI files, or TotalSegmentator folders."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for images/ and labels/.")],
    count: Annotated[int, typer.Option("-n", min=1, help="How many CT.")] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same CT.")] = 1,
    coding: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:PATTERN",
            help="What codes mean in files that fit PATTERN, such as hra:HRA_*; btcv and hra are known.",
        ),
    ] = None,
    kind_weights: Annotated[
        str,
        typer.Option(
            "--kinds",
            metavar="NAME=WEIGHT,...",
            help="Kinds of CT by weight, of attunet kinds list; all for each, usual for the mixture.",
        ),
    ] = "usual",
) -> None:
    """Make synthetic CT with true pancreas labels from label maps, to train on."""
    from attunet_gui.cli.synthesis_commands import map_sources, write_synthetic_ct
    from attunet_gui.synthesis.label_map_ct.ct_kinds import parse_kind_weights

    sources = map_sources(label_maps, coding or ())
    write_synthetic_ct(sources, output, count, seed, parse_kind_weights(kind_weights))


@kinds_app.command("list")
def kinds_list() -> None:
    """Every kind of CT that synthesis knows."""
    from attunet_gui.cli.synthesis_commands import list_kinds

    list_kinds()


@kinds_app.command("make")
def kinds_make(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="SETS", help="A folder a kind goes here.")
    ],
    label_maps: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[LABELMAP...]", help="Whose anatomy; else that of phantoms."),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option("--kind", metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
    count: Annotated[int, typer.Option("-n", min=1, max=1000, help="Volumes of each kind.")] = 20,
    coding: Annotated[
        list[str] | None, typer.Option(metavar="NAME:PATTERN", help="As of attunet synthesize.")
    ] = None,
) -> None:
    """Make the test set of each kind of CT; the same every time, and refused by every training."""
    from attunet_gui.cli.synthesis_commands import choose_kinds, make_kind_sets, map_sources

    make_kind_sets(map_sources(label_maps or (), coding or ()), output, choose_kinds(kind or ()), count)


@kinds_app.command("measure")
def kinds_measure(
    names: Annotated[list[str], typer.Argument(metavar="MODEL [MODEL]", help="One, or two side by side.")],
    sets: Annotated[Path, typer.Option(help="Folder of attunet kinds make.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="OUT", help="Folder for the table.")],
    kind: Annotated[
        list[str] | None, typer.Option("--kind", metavar="NAME", help="Only this one; may be repeated.")
    ] = None,
    count: Annotated[int | None, typer.Option("-n", min=1, help="Volumes of each kind; else all.")] = None,
) -> None:
    """DSC of models on the test set of each kind of CT, with intervals, as a table."""
    from attunet_gui.cli.synthesis_commands import measure_kinds

    measure_kinds(names, sets, kind or (), count, output)


@app.command()
def train(
    output: RunOption,
    recipe: Annotated[
        Path | None,
        typer.Argument(
            help="A recipe, such as resources/recipes/phantom-starter.toml; --dataset brings one."
        ),
    ] = None,
    dataset: DatasetOption = None,
    data: DataOption = None,
    start: StartOption = None,
    label: LabelOption = None,
    restart: RestartOption = False,
) -> None:
    """Train a model by a recipe into RUN/bundle; typed again after a stop, it goes on where it was."""
    from attunet_gui.cli import training_commands as command
    from attunet_gui.training.training_run import TrainingOptions

    folders = command.parse_named_folders(data or []) | dict([dataset] if dataset else [])
    order = TrainingOptions(command.choose_recipe(recipe, dataset), output, folders, start, restart, label)
    (command.train_on_collection if dataset else command.train_by_recipe)(order)


@app.command("finetune")
def finetune_command(
    dataset: Annotated[
        Path, typer.Argument(help="Corrected cases: nnU-Net raw, MSD, or images/ and labels/.")
    ],
    output: RunOption,
    start: Annotated[str | None, typer.Option("--from", metavar="MODEL", help="Else the default.")] = None,
    validation: Annotated[
        Path | None, typer.Option(help="A data set that judges; else a fifth of the people is held back.")
    ] = None,
    replay: Annotated[
        list[Path] | None, typer.Option(help="An earlier data set, so that it is not forgotten; repeatable.")
    ] = None,
    phantoms: Annotated[int, typer.Option(min=0, help="How many are learnt again; 0 for none.")] = 12,
    steps: Annotated[int | None, typer.Option(min=1, help="How long to learn; else as documented.")] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            help="Instead of --steps: as many as fit; reading and comparing come on top.",
        ),
    ] = None,
    name: Annotated[str, typer.Option(help="Of the new model.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Same seed and steps, same model.")] = 1,
    adopt: Annotated[bool, typer.Option("--adopt", help="Make it the default if it is not worse.")] = False,
    label: LabelOption = None,
    restart: RestartOption = False,
) -> None:
    """Make a model better by corrected cases, into RUN/bundle, and compare it with the one before."""
    from attunet_gui.cli.model_commands import choose_model
    from attunet_gui.cli.training_commands import finetune_and_print
    from attunet_gui.training.finetuning.finetune_config import FinetuneBudget, FinetuneConfig, ReplayConfig

    again = ReplayConfig(tuple(replay or ()), phantoms)
    effort = FinetuneBudget(steps or FinetuneBudget.steps, minutes)
    parent = choose_model(start).folder
    order = FinetuneConfig(dataset, parent, output, validation, again, effort, name, seed, restart, label)
    raise typer.Exit(finetune_and_print(order, wanted=adopt))


@app.command("crossvalidate")
def crossvalidate_command(
    recipe: Annotated[Path, typer.Argument(help="A recipe with [crossvalidation].")],
    output: RunOption,
    data: DataOption = None,
    start: StartOption = None,
    label: LabelOption = None,
    restart: RestartOption = False,
) -> None:
    """Train a model a fold in RUN/fold-K and score everyone with the model that never saw them."""
    from attunet_gui.cli.training_commands import crossvalidate_by_recipe, parse_named_folders
    from attunet_gui.training.training_run import TrainingOptions

    crossvalidate_by_recipe(
        TrainingOptions(recipe, output, parse_named_folders(data or []), start, restart, label)
    )


@app.command()
def calibrate(
    run: Annotated[Path, typer.Argument(help="The folder of `attunet crossvalidate`.")],
    model: Annotated[Path, typer.Argument(help="The bundle that gets calibration, threshold and results.")],
    slices: Annotated[Path, typer.Option(help="The slices the folds were made of.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for figures and pictures.")],
) -> None:
    """Choose calibration and threshold on held-out people; say what they are worth on others."""
    from attunet_gui.cli.training_commands import calibrate_model

    calibrate_model(run, model, slices, output)


@app.command()
def activity(
    replay: Annotated[
        str | None, typer.Option(metavar="CASE", help="Show the history of this case instead.")
    ] = None,
    output: Annotated[Path, typer.Option("-o", "--output", help="Where the replay goes.")] = Path(
        "replay.gif"
    ),
    folder: Annotated[Path | None, typer.Option(help="Other journals than your own.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False,
) -> None:
    """What was done on each case: active time, edits by tool, what the human changed."""
    from attunet_gui.cli.activity_command import replay_case, show_activity

    if replay is None:
        show_activity(folder, as_json)
    else:
        replay_case(replay, output, folder)


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Machine-readable.")] = False) -> None:
    """Check this installation: versions, GPU, display, models."""
    from attunet_gui.cli.doctor_command import print_diagnosis

    raise typer.Exit(print_diagnosis(as_json))


@models_app.command("list")
def models_list() -> None:
    """Every model at hand."""
    from attunet_gui.cli.model_commands import list_models

    list_models()


@models_app.command("show")
def models_show(name: str) -> None:
    """The card of a model."""
    from attunet_gui.cli.model_commands import show_model

    show_model(name)


@models_app.command("verify")
def models_verify(
    name: Annotated[str | None, typer.Argument(help="One; all if left out.")] = None,
) -> None:
    """Compare the weights of models with the sha256 in their cards."""
    from attunet_gui.cli.model_commands import verify_models

    raise typer.Exit(verify_models(name))


@models_app.command("compare")
def models_compare(
    old: str,
    new: str,
    dataset: Annotated[Path | None, typer.Option(help="Labelled CT on which both draft.")] = None,
    label: LabelOption = None,
) -> None:
    """Two cards side by side; with --dataset, whether NEW is worse than OLD there."""
    from attunet_gui.cli.model_commands import compare_models

    compare_models(old, new, dataset, label)


@models_app.command("adopt")
def models_adopt(
    name: Annotated[str, typer.Argument(help="Name of a model, or the folder of a bundle.")],
    anyway: Annotated[bool, typer.Option("--anyway", help="Also one that the guard held back.")] = False,
) -> None:
    """Make a model your default."""
    from attunet_gui.cli.model_commands import adopt_model

    adopt_model(name, anyway=anyway)


@models_app.command("rollback")
def models_rollback() -> None:
    """Return to the default before."""
    from attunet_gui.cli.model_commands import rollback_model

    rollback_model()


@models_app.command("import")
def models_import(source: Annotated[Path, typer.Argument(help="An archive, or a bundle's folder.")]) -> None:
    """Copy a model into your own folder."""
    from attunet_gui.cli.model_commands import import_model_file

    import_model_file(source)


@models_app.command("export")
def models_export(
    name: Annotated[str, typer.Argument(help="Name of a model, or the folder of a bundle.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The archive, or a folder for it.")],
) -> None:
    """Write a model as one file."""
    from attunet_gui.cli.model_commands import export_model_file

    export_model_file(name, output)


@models_app.command("measure")
def models_measure(
    name: str,
    first_seed: Annotated[int, typer.Option(min=0)] = 90000,
    cases: Annotated[int, typer.Option(min=1)] = 20,
) -> None:
    """DSC of a model on phantoms of seeds it was not trained on."""
    from attunet_gui.cli.model_commands import measure_model

    measure_model(name, range(first_seed, first_seed + cases))

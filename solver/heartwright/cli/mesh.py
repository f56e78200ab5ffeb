"""`heartwright mesh`: from whatever the user has to a mesh that a heart can be made of, one step at a time."""

from pathlib import Path

import click

from heartwright import memory, start
from heartwright.cli.mesh_source import SCENARIOS, described, meant, pair, validated
from heartwright.document import Node
from heartwright.errors import InputError
from heartwright.mesh.spec import MeshSpec

WRITTEN = "File to write: .h5 (ours), .vtu or .pts (CARP)."
OUTPUT = click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help=WRITTEN)
PICTURE = click.option("--picture", "drawing", type=click.Path(path_type=Path), help="Also draw it into this .png.")
FORCE = click.option("--force", is_flag=True, help="Replace the file if it exists.")


@click.group()
def mesh() -> None:
    """Meshes: read, check, repair, generate, remesh, refine, lay fibres, draw.

    SOURCE is a mesh file, or a scenario whose `mesh:` block says what is meant.
    """


@mesh.command("import")
@described
@click.option("-o", "--output", type=click.Path(path_type=Path), help=WRITTEN)
@click.option("--suggest", is_flag=True, help="Propose unit and regions from the shape, print them, and use them.")
@PICTURE
@FORCE
def import_(source: Path, given: list, output: Path | None, suggest: bool, drawing: Path | None, force: bool) -> None:
    """Read, check and, where asked, repair a mesh; write it to OUTPUT."""
    from heartwright.mesh import prepare
    from heartwright.mesh import suggest as shapes

    if suggest:
        proposed = shapes.propose(meant(source, given, unit="mm"))
        _say(proposed.lines)
        given = [*proposed.given, *given]
    elif output is None:
        raise InputError("mesh import: say with -o where to write the mesh, or ask with --suggest what it holds")
    write = _writer(output, force) if output else None
    if write or drawing:
        raw = prepare.prepare(meant(source, given))
        if drawing:
            _draw(raw, drawing)
        if write:
            _finish(write, output, raw)


@mesh.command()
@described
@PICTURE
def check(source: Path, given: list, drawing: Path | None) -> None:
    """Find everything that is wrong with a mesh.

    Every finding is one line with counts and places, the exit code then 64; a good mesh is summed up.
    """
    from heartwright.mesh import prepare, quality

    raw = prepare.prepare(meant(source, given))
    _say(raw.notes)
    click.echo("smallest dihedral angle of the tetrahedra:")
    _say(quality.histogram(quality.dihedral_angles(raw.points, raw.cells)))
    click.echo(memory.line([memory.peak()]))
    click.echo(f"{source}: good")
    if drawing:
        _draw(raw, drawing)


@mesh.command()
@described
def info(source: Path, given: list) -> None:
    """Say what is in a mesh file: sizes, tags, names, fields."""
    from heartwright.mesh import suggest

    _say(suggest.inventory(meant(source, given, unit="mm")))


@mesh.command()
@click.argument("shape")
@OUTPUT
@FORCE
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="One of its sizes: --set size='5 mm'.")
def generate(shape: str, output: Path, force: bool, changes: tuple[str, ...]) -> None:
    """Mesh an idealised SHAPE: ellipsoid, biventricle, four_chambers, slab, strip, tube, nozzle."""
    from heartwright.mesh import prepare

    write = _writer(output, force)
    tree = Node({"generate": Node({"type": Node(shape, "SHAPE")}, "SHAPE")}, "SHAPE")
    pairs = [(f"generate.{key}", text) for key, text in map(pair, changes)]
    _finish(write, output, prepare.prepare(validated(tree, pairs)))


@mesh.command()
@described
@OUTPUT
@FORCE
def remesh(source: Path, given: list, output: Path, force: bool) -> None:
    """Mesh the tissue anew from its surface at --size.

    Regions stay; fibres and other fields do not.
    """
    from heartwright.mesh import prepare

    if "size" not in dict(given):
        raise InputError("mesh remesh: give the wanted edge length, e.g. --size '4 mm'")
    write = _writer(output, force)
    _finish(write, output, prepare.prepare(meant(source, given)))


@mesh.command()
@described
@OUTPUT
@FORCE
@click.option("--cavity", default="lv_endo", help="The surface that the blood touches [lv_endo].")
def blood(source: Path, given: list, output: Path, force: bool, cavity: str) -> None:
    """Mesh the blood in a cavity.

    Its wall conforms to the tissue; every rim is closed by a lid: surfaces wall, lid_1, lid_2.
    """
    from heartwright.mesh import blood as inside
    from heartwright.mesh import prepare

    write = _writer(output, force)
    _finish(write, output, inside.blood(prepare.prepare(meant(source, given)), cavity))


@mesh.command()
@described
@OUTPUT
@FORCE
@click.option("--levels", default=1, type=click.IntRange(1, 4), help="How often every tetrahedron is split into 8 [1].")
def refine(source: Path, given: list, output: Path, force: bool, levels: int) -> None:
    """Split every tetrahedron into eight.

    In parallel, each rank its own; surfaces and directions are carried over.
    """
    comm = start.world()
    spec, write = _together(comm, source, given, output, force)
    _, geometry = _distributed(comm, spec)
    whole = geometry.refined(levels).whole()  # what is split from checked cells needs no checks
    _finish_together(comm, write, output, whole and whole.but(checked=whole.digest()))


@mesh.command()
@described
@OUTPUT
@FORCE
def fibres(source: Path, given: list, output: Path, force: bool) -> None:
    """Lay fibres by a rule and store f0, s0, n0 per cell.

    In parallel. The rule is Bayer's unless given: --set fibres.endo='50 deg'.
    """
    comm = start.world()
    rule = [] if source.suffix in SCENARIOS else [("fibres", "{type: bayer}")]
    spec, write = _together(comm, source, [*rule, *given], output, force)
    raw, geometry = _distributed(comm, spec)
    from heartwright.mesh.fibres import directions

    cells = range(geometry.mesh.topology.index_map(3).size_local)
    laid = {f.name: f.x.array.reshape(-1, 3)[: len(cells)] for f in directions(geometry, spec.fibres, "DG0")}
    laid = {name: geometry.gathered_cells(vectors) for name, vectors in laid.items()}
    _finish_together(comm, write, output, raw and raw.but(cell_fields=raw.cell_fields | laid))


@mesh.command()
@described
@OUTPUT
@FORCE
def coordinates(source: Path, given: list, output: Path, force: bool) -> None:
    """Compute heart coordinates and AHA segments.

    In parallel: transmural, apicobasal, rotation, chamber, aha and septum, stored per point.
    """
    comm = start.world()
    spec, write = _together(comm, source, given, output, force)
    raw, geometry = _distributed(comm, spec)
    from heartwright.mesh.fields import COORDINATES

    found = geometry.coordinates
    values = {name: geometry.gathered_points(getattr(found, name).astype(float)) for name in COORDINATES}
    made = raw and raw.but(point_fields=raw.point_fields | values, coordinates_of=geometry.digest)
    _finish_together(comm, write, output, made)


@mesh.command()
@described
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The picture to write (.png).")
def picture(source: Path, given: list, output: Path) -> None:
    """Draw a mesh.

    Its surfaces, the tissue cut open, the fibres and segments that it carries, and a histogram of its angles.
    """
    from heartwright.mesh import prepare

    _draw(prepare.prepare(meant(source, given)), output)


def _writer(output: Path, force: bool):
    from heartwright.mesh import export

    write = export.writer(output)
    if output.exists() and not force:
        raise InputError(f"{output}: exists already; replace it with --force, or choose another with -o")
    return write


def _together(comm, source: Path, given: list, output: Path, force: bool):
    """Spec and writer, or the same error on all ranks."""
    from heartwright.parallel import together

    with together(comm):
        found = meant(source, given), _writer(output, force)
    return found


def _distributed(comm, spec: MeshSpec):
    """The whole mesh (on rank 0, else None), and the geometry with all the directions that it carries."""
    from heartwright.mesh import distribution, fields, prepare
    from heartwright.parallel import together

    with together(comm):
        raw = prepare.prepare(spec) if comm.rank == 0 else None
    return raw, distribution.distribute(raw and fields.only_vectors(raw), comm)


def _draw(raw, path: Path) -> None:
    from heartwright.output import mesh_pictures

    mesh_pictures.draw(raw, path)
    click.echo(f"written: {path}")


def _finish(write, output: Path, raw) -> None:
    """Write a mesh and say what was done to it."""
    _write(write, output, raw)
    click.echo(memory.line([memory.peak()]))


def _write(write, output: Path, raw) -> None:
    _say(raw.notes)
    write(output, raw)
    click.echo(f"written: {output}")


def _finish_together(comm, write, output: Path, raw) -> None:
    """Rank 0 writes the mesh, all ranks hear of it if that fails."""
    from heartwright.parallel import together

    with together(comm):
        if raw is not None:
            _write(write, output, raw)
    if peaks := comm.gather(memory.peak()):
        click.echo(memory.line(peaks))


def _say(lines) -> None:
    for line in lines:
        click.echo(line)

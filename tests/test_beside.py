"""The package beside other libraries in one process: import orders, OpenMP runtimes, forks, threads, interpreters.

Every case is a process of its own, for what is tested is the state of a process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import barren

HERE = Path(__file__).parent
CASE = HERE / "beside_case.py"
PACKAGE = Path(barren.__file__).parent
# Seconds; a few are enough where nothing else runs.
_PATIENCE = 300


def started(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """A process that finds this package and the tests; `environment` is added to that of this process, "" takes out."""
    path = os.pathsep.join([environment.pop("PYTHONPATH", str(PACKAGE.parent)), str(HERE)])
    return subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in {**os.environ, **environment, "PYTHONPATH": path}.items() if value},
    )


def said(process: subprocess.Popen[str]) -> list[str]:
    """The words that it printed."""
    return both(process)[0].split()


def both(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What it printed to either stream; it ended well, and ended: what hangs is a failure, on a busy machine too."""
    try:
        out, err = process.communicate(timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise AssertionError("it hangs") from None
    assert process.returncode == 0, err[-3000:]
    return out, err


def script(code: str, **environment: str) -> list[str]:
    return said(started("-c", textwrap.dedent(code), **environment))


@pytest.fixture(scope="module")
def plain() -> str:
    """The hash of what is computed without torch, with nothing set in the environment."""
    return script("import beside_case as c; print(c.exact())")[0]


def another_openmp(folder: Path) -> Path:
    """A copy of the package whose core has an OpenMP runtime of its own, as a repaired wheel has.

    Libraries are told apart by the names in them, so the copy gets another name of the same length.
    """
    code = "import barren._core; print(open('/proc/self/maps').read())"
    runtime = next(Path(word) for word in script(code) if Path(word).name.startswith("libgomp.so"))
    copy = folder / "barren"
    copy.mkdir()
    for entry in PACKAGE.iterdir():
        if not entry.name.startswith("_core.") or entry.suffix == ".pyi":
            (copy / entry.name).symlink_to(entry)
    core = next(PACKAGE.glob("_core.*.so"))
    for source, target in ((core, copy / core.name), (runtime, folder / "libgomq.so.1")):
        data = source.read_bytes()
        assert b"libgomp.so.1\0" in data
        target.write_bytes(data.replace(b"libgomp.so.1\0", b"libgomq.so.1\0"))
    return folder


@pytest.mark.skipif(sys.platform != "linux", reason="other systems name their libraries in other ways")
def test_import_orders_a_second_openmp_runtime_and_several_blas_change_no_bit(tmp_path: Path, plain: str) -> None:
    """NumPy's BLAS, SciPy's own and torch's all work in each process, before the package is imported and after."""
    other = str(another_openmp(tmp_path))
    environment = {"PYTHONPATH": other, "LD_LIBRARY_PATH": other}
    told = "import sys, {}; names = open('/proc/self/maps').read(); print('libgomp' in names, 'libgomq' in names)"
    assert script(told.format("torch, barren"), **environment) == ["True", "True"]
    found = []
    for more in ({}, environment):
        orders = (("barren", "numpy", "scipy.linalg", "torch"), ("torch", "scipy.linalg", "numpy", "barren"))
        for out, loaded in map(both, [started(str(CASE), *order, **more) for order in orders]):
            found.append(out.split())
            several_blas(loaded.splitlines())
    assert found == [found[0]] * 4
    assert found[0][1] == plain


def several_blas(loaded: list[str]) -> None:
    """Two copies of OpenBLAS, those of NumPy's wheel and SciPy's, and MKL within torch: what this test is about."""
    assert len([name for name in loaded if "openblas" in name]) >= 2, loaded
    assert any("MKL" in name or "mkl" in name for name in loaded), loaded


def test_the_environment_and_affinity_masks_bound_threads_and_change_no_bit(plain: str) -> None:
    code = """
        import os
        import beside_case as c
        from barren import _core
        print(_core.available_threads(), c.exact(None))
    """
    confined = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})"
    cores = len(os.sched_getaffinity(0))
    settings = [
        ("1", {"OMP_NUM_THREADS": "1"}),
        ("3", {"OMP_NUM_THREADS": "3"}),
        (str(cores), {"OMP_DYNAMIC": "true", "OMP_NUM_THREADS": str(cores)}),
        (str(cores), {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": str(cores)}),
    ]
    for threads, environment in settings:
        assert script(code, **environment) == [threads, plain], environment
    code = textwrap.dedent(code)
    unset = {"OMP_NUM_THREADS": ""}
    assert script(f"{confined}\n{code}", **unset) == ["1", plain]
    assert script(f"import barren\n{confined}\n{code}", **unset) == ["1", plain], "confined after the import"
    # `plain` asks for two threads; where there is one alone, two may be asked for too.
    assert script("import beside_case as c; print(c.exact(2))", OMP_THREAD_LIMIT="1", OMP_NUM_THREADS="1") == [plain]


@pytest.mark.skipif(sys.platform != "linux", reason="the tasks of a process are files of Linux")
def test_three_threads_are_three_where_openmp_is_told_one() -> None:
    """Tasks of the process while the core works and after: one is the program, one watches, two are the core's."""
    code = """
        import os, threading, time
        import numpy as np
        import barren

        def tasks():
            return len(os.listdir("/proc/self/task"))

        def watch():
            while not done.is_set():
                seen.append(tasks())
                time.sleep(1e-3)

        jacobian, cls = np.random.default_rng(0).standard_normal((4093, 256)), barren.ModularMultiplication(4093)
        for threads in (1, 3):
            seen, done = [], threading.Event()
            watcher = threading.Thread(target=watch)
            watcher.start()
            barren.gradient_variance(cls, jacobian=jacobian, method="direct", threads=threads)
            seen.append(tasks())
            done.set()
            watcher.join()
            print(max(seen))
    """
    assert script(code, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1") == ["2", "4"]


CHILDREN = """
    import multiprocessing, sys
    import torch
    from torch.utils.data import DataLoader, Dataset
    import beside_case as c

    def both():
        return c.exact() + c.modelled()

    class Hashes(Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, i):
            return both()

    if __name__ == "__main__":
        c.torch_alone()
        expected = both()  # this process has used all its threads by now
        multiprocessing.set_forkserver_preload(["torch", "barren"])
        for method in sys.argv[1:]:
            loader = DataLoader(Hashes(), num_workers=2, multiprocessing_context=method)
            found = [text for batch in loader for text in batch]
            assert found == [expected] * 2, (method, found, expected)
        assert both() == expected
"""


def test_children_of_every_kind_compute_the_same(tmp_path: Path) -> None:
    """Workers of a DataLoader, forked, spawned and of a server that has loaded the package."""
    path = tmp_path / "children.py"
    path.write_text(textwrap.dedent(CHILDREN))
    said(started(str(path), "fork", "spawn", "forkserver"))


def test_a_child_that_imports_the_package_after_its_fork_does_not_hang(plain: str) -> None:
    """torch's loops have used the runtime that both share, so its threads are missing in the child."""
    code = """
        import os, torch
        torch.set_num_threads(2)
        torch.rand(1 << 20).exp().sum()
        child = os.fork()
        if child == 0:
            import beside_case as c
            print(c.exact(), flush=True)
            c.modelled()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    """
    assert script(code, OMP_NUM_THREADS="2") == [plain]


def test_a_forked_process_that_loads_openmp_first_itself_keeps_its_threads() -> None:
    """No thread was lost, so none is given up: workers that import the package after their fork."""
    code = """
        import os
        child = os.fork()
        if child == 0:
            from barren import _core
            print(_core.in_forked_child(), _core.available_threads(), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
    """
    assert script(code, OMP_NUM_THREADS="2") == ["False", "2"]


def test_two_threads_that_call_at_once_get_the_same_bits() -> None:
    """With different methods, and with torch in both; the watchdog ends a deadlock with a traceback."""
    code = """
        import faulthandler, threading
        import torch
        import beside_case as c

        faulthandler.dump_traceback_later(250, exit=True)
        alone, before = [c.exact(), c.modelled()], torch.get_num_threads()
        found = {}

        def work(number):
            found[number] = [c.exact(), c.modelled()] if number % 2 else [c.modelled(), c.exact()][::-1]

        threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert list(found.values()) == [alone] * 2, (found, alone)
        assert torch.get_num_threads() == before
        assert threading.active_count() == 1
    """
    script(code)


def test_sub_interpreters_are_refused_in_one_clear_sentence() -> None:
    code = """
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        {before}
        other = interpreters.create()
        interpreters.run_string(other, '''if True:
            import warnings
            warnings.simplefilter("error")
            try:
                import barren
            except ImportError as error:
                print(error)
        ''')
        import barren
        print(barren.ModularMultiplication(5).size)
    """
    for before in ("", "import barren"):
        words = script(textwrap.dedent(code).replace("{before}", before))
        assert words[-1] == "4"
        message = " ".join(words)
        assert "barren" in message
        assert "sub-interpreter" in message or "subinterpreters" in message, message

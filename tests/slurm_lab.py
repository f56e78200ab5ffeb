"""A real Slurm of one node, started for a test and gone after it: munge, controller and daemon on the loopback."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

CONF = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmdPort={daemon_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={lab}/munge/socket
CredType=cred/munge
StateSaveLocation={lab}/state
SlurmdSpoolDir={lab}/spool
SlurmctldPidFile={lab}/run/slurmctld.pid
SlurmdPidFile={lab}/run/slurmd.pid
SlurmctldLogFile={lab}/log/slurmctld.log
SlurmdLogFile={lab}/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=pmix
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
KillWait=5
MailProg=/bin/true
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
DAEMONS = ("munged", "slurmctld", "slurmd")


class Lab:
    """Raises RuntimeError, with nothing left running, where Slurm cannot be started."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.env = os.environ | {"PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}
        missing = [name for name in (*DAEMONS, "sbatch", "srun") if shutil.which(name, path=PATH) is None]
        if missing:
            raise RuntimeError(f"Slurm cannot be started here: {', '.join(missing)} not found")
        try:
            self._start()
        except (OSError, subprocess.SubprocessError, RuntimeError) as error:
            self.stop()
            raise RuntimeError(f"Slurm cannot be started here: {error}") from None

    def _start(self) -> None:
        for name in ("state", "spool", "log", "run", "munge"):
            (self.folder / name).mkdir(mode=0o755)
        self.folder.chmod(0o711)
        key = self.folder / "munge" / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
            ports = one.getsockname()[1], other.getsockname()[1]
        host, user = socket.gethostname().partition(".")[0], _user()
        facts = {"host": host, "user": user, "lab": self.folder, "cpus": os.cpu_count()}
        (self.folder / "slurm.conf").write_text(CONF.format(port=ports[0], daemon_port=ports[1], **facts))
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=disabled\n")
        munge = self.folder / "munge"
        places = {"socket": munge, "pid-file": self.folder / "run", "log-file": self.folder / "log", "seed-file": munge}
        names = {"socket": "socket", "pid-file": "munged.pid", "log-file": "munged.log", "seed-file": "seed"}
        options = [f"--{option}={place / names[option]}" for option, place in places.items()]
        self._run("munged", f"--key-file={key}", "--origin=127.0.0.1", "--force", *options)
        self._run("slurmctld", "-f", str(self.folder / "slurm.conf"))
        self._run("slurmd", "-f", str(self.folder / "slurm.conf"), "-N", host)
        self.wait(lambda: self.ask("sinfo", "-h", "-o", "%T") == "idle", 30, "an idle node")

    def _run(self, *command: str) -> None:
        subprocess.run(command, env=self.env, check=True, capture_output=True, timeout=20)

    def ask(self, *command: str) -> str:
        """What a command of Slurm prints."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=30)
        return done.stdout.strip()

    def state(self, job: str) -> str:
        """PENDING, RUNNING, COMPLETED …"""
        words = dict(part.partition("=")[::2] for part in self.ask("scontrol", "show", "job", job).split())
        return words.get("JobState", "")

    def wait(self, condition, seconds: float, what: str) -> None:
        """Until the condition holds. Raises RuntimeError when it does not in time."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                logs = "".join(log.read_text(errors="replace")[-600:] for log in self.folder.glob("log/*.log"))
                raise RuntimeError(f"no {what} within {seconds} s\n{logs}")
            time.sleep(0.2)

    def stop(self) -> None:
        """End the daemons, by the numbers they have recorded."""
        if (self.folder / "run" / "slurmctld.pid").exists():
            subprocess.run(["scancel", "--state=RUNNING", "-u", _user()], env=self.env, capture_output=True, timeout=30)
        for name in reversed(DAEMONS):
            recorded = self.folder / "run" / f"{name}.pid"
            if recorded.exists() and recorded.read_text().strip():
                _end(int(recorded.read_text()), name)


def _end(pid: int, name: str) -> None:
    """SIGTERM, and SIGKILL after ten seconds, to the process if it is the daemon of that name."""
    comm = Path(f"/proc/{pid}/comm")
    for number, patience in ((signal.SIGTERM, 50), (signal.SIGKILL, 10)):
        for attempt in range(patience):
            if not comm.exists() or not comm.read_text().startswith(name):
                return
            if attempt == 0:
                os.kill(pid, number)
            time.sleep(0.2)


def _user() -> str:
    """The caller's name, which Slurm insists on. Raises RuntimeError for a number without a name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise RuntimeError(f"user {os.getuid()} has no name") from None

"""Real INDI servers on the loopback interface, and what one can see of and do to them from outside."""

import itertools
import os
import shutil
import signal
import socket
import subprocess
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

CCD, WHEEL, PANEL = "CCD Simulator", "Filter Simulator", "Light Panel Simulator"
DOME, MOUNT = "Dome Simulator", "Telescope Simulator"
SECOND = "CCD Two"
EXECUTABLES = {
    CCD: "indi_simulator_ccd",
    WHEEL: "indi_simulator_wheel",
    PANEL: "indi_simulator_lightpanel",
    DOME: "indi_simulator_dome",
    MOUNT: "indi_simulator_telescope",
}
POLLING_MS = 20
"""How often simulated cameras look at their clocks; their own second would make every exposure last one."""

PATIENCE_S = 30.0
"""How long a server may take to start, and to answer, on a busy machine; it is never waited for longer than it takes."""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(word) for word in task.read_text().split()]
    return found


def command(pid):
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()


class Server:
    """An indiserver with simulated devices, in a folder of its own."""

    def __init__(self, folder, devices=tuple(EXECUTABLES)):
        if shutil.which("indiserver") is None:
            pytest.fail("indiserver is not installed (apt-get install indi-bin)")
        self.folder, self.devices, self.port, self.process = Path(folder), devices, free_port(), None
        settings = self.folder / "home" / ".indi"
        settings.mkdir(parents=True, exist_ok=True)
        for device in {CCD, SECOND} & set(devices):
            polling = f"<oneNumber name='PERIOD_MS'>{POLLING_MS}</oneNumber>"
            vector = f"<newNumberVector device='{device}' name='POLLING_PERIOD'>{polling}</newNumberVector>"
            (settings / f"{device}_config.xml").write_text(f"<INDIDriver>{vector}</INDIDriver>")

    def executable(self, device):
        if device in EXECUTABLES:
            return EXECUTABLES[device]
        script = self.folder / "second.sh"
        script.write_text(f"#!/bin/sh\nexport INDIDEV='{device}'\nexec {EXECUTABLES[CCD]}\n")
        script.chmod(0o755)
        return str(script)

    def start(self):
        log = (self.folder / "server.log").open("ab")
        executables = [self.executable(device) for device in self.devices]
        self.process = subprocess.Popen(
            ["indiserver", "-r", "1000", "-u", str(self.folder / "socket"), "-p", str(self.port), *executables],
            env={**os.environ, "HOME": str(self.folder / "home")},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        log.close()
        self.wait_until(lambda: len(self.look()) > 0, "it does not answer")
        return self

    def wait_until(self, what, otherwise="it does not come about", patience_s=PATIENCE_S, every_s=0.1):
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            try:
                if what():
                    return
            except OSError:
                pass
            time.sleep(every_s)
        otherwise = otherwise() if callable(otherwise) else otherwise
        pytest.fail(f"indiserver on {self.port}: {otherwise}: {(self.folder / 'server.log').read_text()[-600:]}")

    def stop(self):
        """Kill it and its drivers, whatever state they are in."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(PATIENCE_S)

    def restart(self):
        self.stop()
        self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.stop()

    def driver(self, device):
        """The process id of a driver now."""
        name = "second.sh" if device == SECOND else EXECUTABLES[device]
        mine = [pid for pid in children(self.process.pid) if name in command(pid) or device == SECOND]
        return mine[-1]

    def signal_driver(self, device, number):
        os.kill(self.driver(device), number)

    def signal(self, number):
        os.kill(self.process.pid, number)

    # -- seen and done from outside, by a client of its own ----------------------------------------------------------

    def look(self):
        """All that is told: values by device and property, by member, and the ``state``."""
        return look(self.port, self.devices)

    def value(self, device, name, member):
        return self.look()[device, name][member]

    def set(self, device, name, **members):
        send(self.port, device, name, members)

    def connect_all(self):
        """Connect every device, as somebody did who used them before."""
        for device in self.devices:
            self.set(device, "CONNECTION", CONNECT="On", DISCONNECT="Off")
        self.wait_until(self._stands_connected, "its devices do not connect")

    def reset(self):
        """Let all devices stand as they do when somebody left them connected, the lamp off."""
        self.connect_all()
        self.set(PANEL, "FLAT_LIGHT_CONTROL", FLAT_LIGHT_ON="Off", FLAT_LIGHT_OFF="On")
        self.set(CCD, "CCD_BINNING", HOR_BIN="1", VER_BIN="1")
        self.set(WHEEL, "FILTER_SLOT", FILTER_SLOT_VALUE="1")
        self.wait_until(lambda: self.value(WHEEL, "FILTER_SLOT", "FILTER_SLOT_VALUE") == "1" and self._stands_connected())

    def _stands_connected(self):
        """Whether all are connected, and say the same twice."""
        first = hardware(self)
        return all(first[0][one, "CONNECTION"]["CONNECT"] == "On" for one in self.devices) and hardware(self) == first


def look(port, devices):
    """Ask for everything, and read until each device has told what it tells last."""
    found, parser, depth = {}, ET.XMLPullParser(events=("start", "end")), 0
    parser.feed(b"<root>")
    until = time.monotonic() + PATIENCE_S
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as link:
        link.sendall(b"<getProperties version='1.7'/>")
        link.settimeout(0.5)
        while time.monotonic() < until and not all(told_all(found, device) for device in devices):
            try:
                text = link.recv(1 << 16)
            except TimeoutError:
                continue
            if not text:
                break
            parser.feed(text)
            for event, element in parser.read_events():
                depth += 1 if event == "start" else -1
                if event == "end" and depth == 1:
                    hear(found, element)
    return found


def told_all(found, device):
    """Whether a device has told all that is looked at."""
    connected = found.get((device, "CONNECTION"), {}).get("CONNECT") == "On"
    kind = CCD if device == SECOND else device
    wanted = {"CONNECTION", *(ALWAYS.get(kind, ("POLLING_PERIOD",))), *(CONNECTED[kind] if connected else ())}
    return all((device, name) in found for name in wanted)


ALWAYS = {WHEEL: ()}
CONNECTED = {
    CCD: (
        "CCD_FRAME_TYPE", "CCD_BINNING", "CCD_FRAME", "CCD_GAIN", "CCD_OFFSET", "CCD_COOLER", "UPLOAD_MODE",
        "UPLOAD_SETTINGS", "CCD_EXPOSURE", "FILTER_SLOT",
    ),
    WHEEL: ("FILTER_SLOT",),
    PANEL: ("FLAT_LIGHT_CONTROL", "FLAT_LIGHT_INTENSITY"),
    DOME: ("DOME_SHUTTER", "DOME_PARK"),
    MOUNT: ("TELESCOPE_PARK",),
}  # fmt: skip
"""What is looked at: what latcal may move and set, and what must be as it was found."""


def hear(found, element):
    if element.tag.startswith(("def", "set")) and element.tag.endswith("Vector"):
        key = element.get("device"), element.get("name")
        values = {one.get("name"): (one.text or "").strip() for one in element}
        found[key] = {**found.get(key, {}), **values, "state": element.get("state")}
    elif element.tag == "delProperty":
        gone = element.get("name")
        for key in [key for key in found if key[0] == element.get("device") and gone in (None, key[1])]:
            del found[key]


def send(port, device, name, members):
    kind = "Switch" if set(members.values()) <= {"On", "Off"} else "Number"
    inner = "".join(f"<one{kind} name='{member}'>{value}</one{kind}>" for member, value in members.items())
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as link:
        link.sendall(f"<getProperties version='1.7' device='{device}' name='{name}'/>".encode())
        link.settimeout(PATIENCE_S)
        link.recv(1)  # the server knows us
        link.sendall(f"<new{kind}Vector device='{device}' name='{name}'>{inner}</new{kind}Vector>".encode())
        link.shutdown(socket.SHUT_WR)
        link.settimeout(0.1)  # the server has read it, and may have more to say to a client that is going
        try:
            while link.recv(1 << 16):
                pass
        except OSError:
            pass


def hardware(server, devices=None):
    """How the hardware stands: what latcal may move and set, and what must be as it was found."""
    told = server.look()
    kept, looked_at = {}, {"CONNECTION", "POLLING_PERIOD", *itertools.chain(*CONNECTED.values())} - {"CCD_EXPOSURE"}
    for (device, name), values in told.items():
        if name in looked_at and device in (devices or server.devices):
            kept[device, name] = {member: value for member, value in values.items() if member != "state"}
    exposing = told.get((CCD, "CCD_EXPOSURE"), {}).get("state") == "Busy"
    return kept, exposing

"""A page in headless Chromium, driven by the DevTools protocol through two pipes: nothing but the browser is needed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PATIENCE = 120.0
# In a function of a page: the least contrast of what `select` finds against the ground, as WCAG 2 defines it.
LEAST_CONTRAST = """
  const light = (colour) => {
    const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((v) => v / 255);
    const [r, g, b] = parts.map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = light(getComputedStyle(document.body).backgroundColor);
  const least = (select, property) => Math.min(21, ...Array.from(document.querySelectorAll(select), (found) => {
    const other = light(getComputedStyle(found)[property]);
    return (Math.max(ground, other) + 0.05) / (Math.min(ground, other) + 0.05);
  }));
"""


def browser() -> str | None:
    """The path of a browser, that of $CHROMIUM first."""
    return os.environ.get("CHROMIUM") or next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One page of one browser process.

    Attributes:
        requests: URLs that the page asked for, without that of the page itself.
        complaints: what came to the console, exceptions, and refusals by the page's policy.
    """

    def __init__(self) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="barren-chromium-", ignore_cleanup_errors=True)
        inward, self._out = os.pipe()
        self._in, outward = os.pipe()
        command = [
            browser(),
            "--headless=new",
            "--remote-debugging-pipe",
            "--no-sandbox",  # which root cannot have; the pages are our own
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={self._profile.name}",
            "about:blank",
        ]
        # The browser reads from descriptor 3 and writes to 4.
        shell = ["bash", "-c", f'exec "$@" 3<&{inward} 4>&{outward}', "bash", *command]
        self._process = subprocess.Popen(
            shell,
            pass_fds=(inward, outward),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(inward)
        os.close(outward)
        self._buffer, self._number, self._session = b"", 0, None
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._loaded = False
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._out)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._in)
        self._profile.cleanup()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command and waits for its answer; what the page says meanwhile is kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def open(self, path: Path) -> None:
        """Loads a file and waits until it is there."""
        self._loaded, self._address = False, path.resolve().as_uri()
        failed = self.call("Page.navigate", url=self._address).get("errorText")
        if failed:
            raise RuntimeError(f"{path} did not load: {failed}")
        deadline = time.monotonic() + _PATIENCE
        while not self._loaded:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{path} did not load")
            self.run("0")  # answers come in order with events

    def show(self, width: int, scheme: str, height: int = 900) -> None:
        """Sets the width of the window in CSS pixels, and the colour scheme, "light" or "dark"."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression, as JSON."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"])
        return found["result"].get("value")

    def press(self, key: str, code: int) -> None:
        """Presses a key: its name and number in the protocol."""
        text = {"Enter": "\r"}.get(key)
        for kind in ("keyDown", "keyUp"):
            typed = {"text": text} if text and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **typed)

    def picture(self, path: Path, top: float = 0.0, height: float = 900.0) -> None:
        """A PNG of a part of the page."""
        width = self.run("document.documentElement.clientWidth")
        clip = {"x": 0, "y": top, "width": width, "height": height, "scale": 1}
        data = self.call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = os.read(self._in, 1 << 16)
            if not data:
                raise RuntimeError("the browser ended")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        found: dict[str, Any] = json.loads(message)
        self._note(found.get("method"), found.get("params", {}))
        return found

    def _note(self, event: str | None, said: dict[str, Any]) -> None:
        if event == "Page.loadEventFired":
            self._loaded = True
        elif event == "Network.requestWillBeSent":
            address = said["request"]["url"]
            if address != getattr(self, "_address", None):
                self.requests.append(address)
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(said["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled":
            self.complaints.append(str(said["args"]))
        elif event == "Log.entryAdded":
            self.complaints.append(said["entry"]["text"])

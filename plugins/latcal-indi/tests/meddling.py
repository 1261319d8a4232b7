"""A server in between, which passes everything on and spoils what it is told to."""

import contextlib
import re
import socket
import threading

END = b"</setBLOBVector>"


class Meddler:
    """Listens on a port of its own, and passes all on to an INDI server.

    `spoil` names what is done to the next frames, one each: ``cut`` (the file is cut short), ``torn`` (the text of it
    ends in the middle of four characters), ``small`` (less than the size that is said), ``swallow`` (it never comes),
    ``junk`` (the file is not FITS), ``drop`` (the connection ends in the middle of it), ``packed`` (said to be
    compressed), ``late`` (it comes when the next exposure has begun), ``deaf`` (from then on nothing is passed on, and the
    connection stands). `struck` has those that were done, `said` all else that the client was told.
    """

    def __init__(self, port):
        self.to, self.spoil, self.links, self.struck = port, [], [], []
        self.late, self.deaf, self.said = b"", set(), b""
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self.listening.close()
        self.drop()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def drop(self):
        """End every connection now."""
        for link in self.links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)
            link.close()
        self.links.clear()

    def _accept(self):
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.to), 2.0)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            self.links += [client, server]
            threading.Thread(target=self._pass, args=(client, server), daemon=True).start()
            threading.Thread(target=self._pass_frames, args=(server, client), daemon=True).start()

    def _pass(self, source, target):
        try:
            while more := source.recv(1 << 16):
                target.sendall(more)
        except OSError:
            pass
        self._end(source, target)

    def _end(self, *links):
        for link in links:
            with contextlib.suppress(OSError):
                link.shutdown(socket.SHUT_RDWR)

    def _pass_frames(self, source, target):
        held = b""
        try:
            while more := source.recv(1 << 16):
                if source in self.deaf:
                    continue
                held += more
                while held:
                    begin = held.find(b"<setBLOBVector")
                    if begin < 0:
                        keep = held.rfind(b"<")  # a tag may have come in part
                        keep = len(held) if keep < 0 or b">" in held[keep:] else keep
                        self._send(held[:keep], target)
                        held = held[keep:]
                        break
                    self._send(held[:begin], target)
                    held = held[begin:]
                    end = held.find(END)
                    if end < 0:
                        break
                    frame, held = held[: end + len(END)], held[end + len(END) :]
                    target.sendall(self._spoilt(frame, source, target))
        except OSError:
            pass
        self._end(source, target)

    def _send(self, text, target):
        """Pass on what is no frame; and, when the next exposure has begun, one that is late."""
        target.sendall(text)
        self.said += text
        begun = re.search(rb'name="CCD_EXPOSURE" state="Busy"', text)
        if self.late and begun:
            frame, self.late = self.late, b""
            target.sendall(frame)

    def _spoilt(self, frame, source, target):
        how = self.spoil.pop(0) if self.spoil else ""
        self.struck += [how] if how else []
        head, body = re.match(rb"(.*?<oneBLOB[^>]*>)(.*?)(?=</oneBLOB>)", frame, re.DOTALL).groups()
        tail = frame[len(head) + len(body) :]
        text = body.replace(b"\n", b"")
        match how:
            case "swallow":
                return b""
            case "late":
                self.late = frame
                return b""
            case "deaf":
                self.deaf.add(source)
                return b""
            case "drop":
                target.sendall(frame[: len(frame) // 2])
                self.drop()
                return b""
            case "small":
                return head + text[: len(text) // 8 * 4] + tail
            case "cut":
                short = text[: len(text) // 8 * 4]
                return re.sub(rb"size=.\d+.", b'size="%d"' % (len(short) // 4 * 3), head) + short + tail
            case "torn":
                return head + text[: len(text) // 8 * 4 + 1] + tail
            case "junk":
                return re.sub(rb"size=.\d+.", b'size="3000"', head) + b"QUJD" * 1000 + tail
            case "packed":
                return head.replace(b".fits", b".fits.fz") + body + tail
        return frame

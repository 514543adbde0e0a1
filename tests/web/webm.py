"""A small film: a browser draws the frames, and this puts them into a WebM file that can be sought in.

A lossy WebP picture is one VP8 key frame, so every frame can be sought to. The elements are those of
RFC 9559 (Matroska) and RFC 8794 (EBML).
"""

import base64
import struct

FRAME_MILLISECONDS = 1000
VOID_BYTES = 400_000  # after each frame: seeking must then ask for another part of the file

DRAW = """
const [count, width, height] = arguments, frames = [];
const canvas = Object.assign(document.createElement("canvas"), {width, height});
const pen = canvas.getContext("2d", {alpha: false, willReadFrequently: true});
for (let frame = 0; frame < count; frame++) {
    pen.fillStyle = `hsl(${220 + frame * 3} 45% 22%)`;
    pen.fillRect(0, 0, width, height);
    pen.fillStyle = `hsl(${frame * 360 / count} 75% 60%)`;
    pen.beginPath();
    pen.arc(width * (frame + .5) / count, height / 2, height / 4, 0, 7);
    pen.fill();
    pen.fillStyle = "white";
    pen.font = `bold ${height / 5}px sans-serif`;
    pen.fillText(`second ${frame}`, 14, height - 16);
    frames.push(canvas.toDataURL("image/webp", 0.8));
}
return frames;
"""


def film(browser, seconds, width=320, height=180):
    """The bytes of a WebM file, drawn by that browser."""
    frames = browser.run(DRAW, seconds * 1000 // FRAME_MILLISECONDS, width, height)
    return mux([vp8(base64.b64decode(frame.partition(",")[2])) for frame in frames], width, height)


def vp8(webp):
    """The key frame in a lossy WebP file (RFC 9649)."""
    if webp[:4] != b"RIFF" or webp[8:12] != b"WEBP":
        raise ValueError(f"not a WebP picture: {webp[:16]}")
    at = 12
    while at < len(webp):
        kind, size = struct.unpack_from("<4sI", webp, at)
        if kind == b"VP8 ":
            return webp[at + 8:at + 8 + size]
        at += 8 + size + size % 2
    raise ValueError("a WebP picture that is not lossy")


def element(identifier, data):
    if isinstance(data, int):
        data = struct.pack(">Q", data)
    elif isinstance(data, float):
        data = struct.pack(">d", data)
    return bytes.fromhex(identifier) + struct.pack(">Q", 1 << 56 | len(data)) + data


def mux(frames, width, height):
    header = element("1A45DFA3", element("4286", 1) + element("42F7", 1) + element("42F2", 4) + element("42F3", 8)
                     + element("4282", b"webm") + element("4287", 2) + element("4285", 2))
    info = element("1549A966", element("2AD7B1", 1_000_000) + element("4489", float(len(frames) * FRAME_MILLISECONDS))
                   + element("4D80", b"grantfs") + element("5741", b"grantfs"))
    video = element("E0", element("B0", width) + element("BA", height))
    tracks = element("1654AE6B", element("AE", element("D7", 1) + element("73C5", 1) + element("83", 1) + element("86", b"V_VP8") + video))
    clusters = [element("1F43B675", element("E7", index * FRAME_MILLISECONDS) + element("A3", b"\x81\0\0\x80" + frame))
                + element("EC", bytes(VOID_BYTES)) for index, frame in enumerate(frames)]

    def cues(start):
        points, position = [], start
        for index, cluster in enumerate(clusters):
            place = element("B7", element("F7", 1) + element("F1", position))
            points.append(element("BB", element("B3", index * FRAME_MILLISECONDS) + place))
            position += len(cluster)
        return element("1C53BB6B", b"".join(points))

    before = info + tracks
    return header + element("18538067", before + cues(len(before) + len(cues(0))) + b"".join(clusters))

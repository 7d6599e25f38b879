"""Files made to do harm: each is refused at once, with a reason, and the pool goes on."""

import os
import struct
import wave

import pytest

from kinoloop.media.guard import DecoderPool
from kinoloop.media.probe import probe
from kinoloop.media.process import GuardConfig
from kinoloop.testing.clips import bar_clip

CPU_S = 20
MEMORY_MB = 1024


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return bar_clip(tmp_path_factory.mktemp("clips") / "clip.mp4")


@pytest.fixture(scope="module")
def pool():
    limits = GuardConfig(workers=1, timeout_s=600.0, cpu_s=CPU_S, memory_bytes=MEMORY_MB << 20)
    with DecoderPool(guard=limits) as pool:
        yield pool


def refused(pool, file):
    """The reason, which would be another one if it cost more CPU time than is allowed."""
    found = probe(pool, file)
    assert found.outcome == "quarantined", found
    assert found.peak_memory_mb <= MEMORY_MB
    return found.reason


# Matroska (RFC 9559) and MP4 (ISO/IEC 14496-12), as far as a bomb needs them


def ebml(number, payload):
    identity = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return identity + (len(payload) | 1 << 56).to_bytes(8, "big") + payload


def integer(number, value):
    return ebml(number, value.to_bytes(8, "big"))


HEADER = ebml(0x1A45DFA3, ebml(0x4282, b"matroska") + integer(0x4287, 4) + integer(0x4285, 2))


def track(number, *, width=64, height=64, codec=b"V_VP8"):
    size = ebml(0xE0, integer(0xB0, width) + integer(0xBA, height))
    facts = integer(0xD7, number) + integer(0x73C5, number) + integer(0x83, 1)
    return ebml(0xAE, facts + ebml(0x86, codec) + size)


def matroska(*tracks, clusters=b""):
    return HEADER + ebml(0x18538067, ebml(0x1654AE6B, b"".join(tracks)) + clusters)


def cluster(data):
    return ebml(0x1F43B675, integer(0xE7, 0) + ebml(0xA3, b"\x81\x00\x00\x80" + data))


def vp8_key_frame(width, height):
    return b"\x10\x02\x00\x9d\x01\x2a" + struct.pack("<HH", width, height) + bytes(64)


def box(kind, payload):
    return struct.pack(">I4s", 8 + len(payload), kind) + payload


@pytest.mark.parametrize("codec", [b"V_VP8", b"V_VP9", b"V_MPEG4/ISO/AVC", b"V_MJPEG", b"V_THEORA"])
def test_a_header_of_a_million_by_a_million_pixels(pool, tmp_path, codec):
    huge = track(1, width=10**6, height=10**6, codec=codec)
    (tmp_path / "bomb.mkv").write_bytes(matroska(huge, clusters=cluster(bytes(64))))
    assert refused(pool, tmp_path / "bomb.mkv") in {"damaged", "decode_errors"}


def test_a_picture_that_is_small_whatever_its_header_says_is_read(pool, tmp_path):
    lying = track(1, width=10**6, height=10**6)
    whole = matroska(lying, clusters=cluster(vp8_key_frame(64, 64)))
    (tmp_path / "lying.mkv").write_bytes(whole)
    found = probe(pool, tmp_path / "lying.mkv")
    assert (found.outcome, found.width, found.frames) == ("ok", 64, 1)


def test_a_picture_far_larger_than_its_header_says(pool, tmp_path):
    bomb = matroska(track(1), clusters=cluster(vp8_key_frame(16383, 16383)))
    (tmp_path / "bomb.mkv").write_bytes(bomb)
    assert refused(pool, tmp_path / "bomb.mkv") in {"too_many_pixels", "decode_errors"}


@pytest.mark.parametrize("count", [101, 1001, 100_000])
def test_many_streams(pool, tmp_path, count):
    bomb = matroska(*(track(i + 1) for i in range(count)), clusters=cluster(vp8_key_frame(64, 64)))
    (tmp_path / "bomb.mkv").write_bytes(bomb)
    assert refused(pool, tmp_path / "bomb.mkv") == "too_many_streams"


def test_many_streams_in_mp4(pool, tmp_path):
    entry = box(b"avc1", bytes(78))
    tables = box(b"stsd", struct.pack(">II", 0, 1) + entry) + b"".join(
        box(kind, struct.pack(">III", 0, 0, 0)) for kind in (b"stts", b"stsc", b"stsz", b"stco")
    )
    media = box(b"mdhd", struct.pack(">IIIIII", 0, 0, 0, 1000, 1000, 0)) + box(
        b"hdlr", struct.pack(">II4s12x", 0, 0, b"vide") + b"\0"
    )
    one = box(b"trak", box(b"mdia", media + box(b"minf", box(b"stbl", tables))))
    movie = box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, 1000) + bytes(80))
    bomb = box(b"ftyp", b"isom\0\0\0\0") + box(b"moov", movie + one * 100_000) + box(b"mdat", b"")
    (tmp_path / "bomb.mp4").write_bytes(bomb)
    assert refused(pool, tmp_path / "bomb.mp4") == "too_many_streams"


def test_an_index_that_claims_billions_of_samples(pool, clip, tmp_path):
    raw = bytearray(clip.read_bytes())
    for kind in (b"stts", b"stsz", b"stco", b"stsc", b"ctts"):
        at = raw.find(kind)
        if at > 0:
            raw[at + 8 : at + 12] = b"\x7f\xff\xff\xff"
            raw[at + 12 : at + 16] = b"\x7f\xff\xff\xff"
    (tmp_path / "bomb.mp4").write_bytes(bytes(raw))
    found = probe(pool, tmp_path / "bomb.mp4")
    assert found.outcome in {"partial", "quarantined"}


def test_boxes_in_boxes(pool, tmp_path):
    bomb = b""
    for _ in range(20_000):
        bomb = box(b"moov", bomb) if len(bomb) < 1 << 20 else bomb
    (tmp_path / "bomb.mp4").write_bytes(box(b"ftyp", b"isom\0\0\0\0") + bomb)
    assert refused(pool, tmp_path / "bomb.mp4") in {"damaged", "truncated", "no_streams"}


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{clip}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{clip}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{clip}</BaseURL>'
        "</MPD>",
        "[playlist]\nFile1={clip}\n",
        "RTSPtext\r\nrtsp://127.0.0.1:9/a\r\n",
    ],
    ids=["hls", "hls of a server", "concat", "sdp", "dash", "pls", "rtsp"],
)
@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.srt"])
def test_a_playlist_opens_no_other_file(pool, clip, tmp_path, text, name):
    (tmp_path / name).write_text(text.format(clip=clip))
    assert refused(pool, tmp_path / name) in {"not_media", "not_subtitles"}


def test_pipes_devices_and_folders_do_not_hang(pool, tmp_path):
    os.mkfifo(tmp_path / "fifo.mp4")
    (tmp_path / "zero.mp4").symlink_to("/dev/zero")
    (tmp_path / "self.mp4").symlink_to(tmp_path / "self.mp4")
    assert refused(pool, tmp_path / "fifo.mp4") == "not_a_regular_file"
    assert refused(pool, tmp_path / "zero.mp4") == "not_a_regular_file"
    assert refused(pool, tmp_path / "self.mp4") == "not_found"
    assert refused(pool, tmp_path) == "not_a_regular_file"


@pytest.mark.parametrize("name", ["a.srt", "a.mp4"])
def test_a_gigabyte_of_nothing(pool, tmp_path, name):
    with (tmp_path / name).open("wb") as file:
        file.write(b"1\n00:00:00,000 --> 00:00:01,000\n")
        file.truncate(1 << 30)
    assert refused(pool, tmp_path / name) == {"a.srt": "too_large", "a.mp4": "not_media"}[name]


def test_billion_laughs(pool, tmp_path):
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    (tmp_path / "a.ttml").write_text(f'<!DOCTYPE tt [<!ENTITY l0 "ha">{laughs}]><tt>&l9;</tt>')
    assert refused(pool, tmp_path / "a.ttml") == "unsafe_xml"


def test_compressed_subtitles_are_not_unpacked(pool, tmp_path):
    import gzip
    import zipfile

    text = "1\n00:00:00,000 --> 00:00:01,000\nhello\n\n" * 100_000
    (tmp_path / "a.srt").write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(tmp_path / "b.srt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.srt", text)
    assert refused(pool, tmp_path / "a.srt") == "not_text"
    assert refused(pool, tmp_path / "b.srt") == "not_text"


def test_a_wave_of_absurd_rate_and_channels(pool, tmp_path):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(bytes(32_000))
    raw = bytearray((tmp_path / "a.wav").read_bytes())
    raw[22:24], raw[24:28] = struct.pack("<H", 65_535), struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "a.wav").write_bytes(bytes(raw))
    found = probe(pool, tmp_path / "a.wav")
    assert found.outcome in {"partial", "quarantined"}


def test_a_codec_that_nobody_knows_is_named(pool, tmp_path):
    unknown = matroska(track(1, codec=b"V_UNKNOWN"), clusters=cluster(bytes(64)))
    (tmp_path / "a.mkv").write_bytes(unknown)
    assert refused(pool, tmp_path / "a.mkv") == "unsupported_codec"


def test_after_all_of_that_a_clip_is_read(pool, clip):
    assert probe(pool, clip).outcome == "ok"

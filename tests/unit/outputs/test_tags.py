"""What audio files say about themselves, read by other programs' readers."""

import struct

import numpy as np
import pytest
import soundfile

from sonify.errors import RenderError, UsageError
from sonify.outputs.about import About, Loudness, Marker
from sonify.outputs.audio_file import AudioFile
from sonify.outputs.gain_of import gain_db_of
from sonify.outputs.wave_chunks import chunks_of

MARKERS = (Marker(0.25, 0.5, "rust: latency red"), Marker(0.25, 0.0, 'Zürich "quoted" <b>'), Marker(0.75, 0.0, "over"))
ABOUT = About("A title", "what it is", "9.9", 1_661_145_489.0, 3.25, MARKERS)
LOUDNESS = Loudness(-23.04, -20.5, -1.53)


def written(path, depth="16", frames=48_000, channels=2, **options):
    noise = np.random.default_rng(0).normal(0.0, 0.1, (frames, channels)).astype(np.float32)
    with AudioFile(
        path, sample_rate_hz=48_000, num_channels=channels, depth=depth, num_frames=frames, about=ABOUT, **options
    ) as file:
        for begin in range(0, frames, 4801):
            file.write(noise[begin : begin + 4801])
        file.describe(ABOUT.measured(LOUDNESS))
    return noise


@pytest.mark.parametrize(("depth", "subtype"), [("16", "PCM_16"), ("24", "PCM_24"), ("32f", "FLOAT")])
@pytest.mark.parametrize(("frames", "channels"), [(48_000, 2), (481, 1)])
def test_a_wav_holds_the_samples_and_its_sizes_are_right(tmp_path, depth, subtype, frames, channels):
    path = tmp_path / "x.wav"
    noise = written(path, depth, frames, channels)
    found, rate = soundfile.read(path, dtype="float64", always_2d=True)
    assert (rate, soundfile.info(path).subtype) == (48_000, subtype)
    assert np.abs(found - noise).max() <= {"16": 2.0 / 32768, "24": 2.0**-22, "32f": 0.0}[depth]
    data = path.read_bytes()
    assert struct.unpack("<I", data[4:8])[0] == len(data) - 8
    names = [name for name, _ in chunks_of(data[12:])]
    assert names.index(b"bext") < names.index(b"data")
    assert sum(8 + len(body) + len(body) % 2 for _, body in chunks_of(data[12:])) == len(data) - 12


def test_wavinfo_reads_broadcast_fields_and_labels(tmp_path):
    wavinfo = pytest.importorskip("wavinfo")
    path = tmp_path / "x.wav"
    written(path)
    info = wavinfo.WavInfoReader(str(path), info_encoding="utf-8")
    bext = info.bext
    assert bext.description.rstrip("\0") == "what it is"
    assert (bext.originator_date, bext.originator_time) == ("2022-08-22", "05:18:09")
    assert bext.time_reference == (5 * 3600 + 18 * 60 + 9) * 48_000
    assert bext.version == 2
    assert (bext.loudness_value, bext.max_true_peak, bext.max_momentary_loudness) == (-23.04, -1.53, -20.5)
    assert "gain=+3.25 dB" in bext.coding_history
    cues = dict(info.cues.each_cue())
    assert list(cues.values()) == [12_000, 12_000, 36_000]
    assert [info.cues.label_and_note(cue)[0] for cue in cues] == [marker.text for marker in MARKERS]
    assert info.cues.range(next(iter(cues))) == 24_000
    assert info.info.title == "A title"


def test_rounding_without_dither_is_to_the_nearest(tmp_path):
    path = tmp_path / "x.wav"
    noise = written(path, dither=False)
    found = soundfile.read(path, dtype="int16")[0]
    assert np.abs(found - noise * 32767.0).max() <= 0.5 + 1e-3


def test_silence_within_is_silence_though_it_takes_no_room(tmp_path):
    path = tmp_path / "x.wav"
    audio = np.zeros((96_000, 2), np.float32)
    audio[:100], audio[50_000:50_100] = 0.5, -0.5
    with AudioFile(path, sample_rate_hz=48_000, num_channels=2, depth="32f", num_frames=96_000) as file:
        for begin in range(0, 96_000, 480):
            file.write(audio[begin : begin + 480])
    np.testing.assert_array_equal(soundfile.read(path, dtype="float32")[0], audio)


@pytest.mark.parametrize("name", ["x.flac", "x.opus", "x.mp3"])
def test_mutagen_reads_the_tags_of_other_kinds(tmp_path, name):
    mutagen = pytest.importorskip("mutagen")
    path = tmp_path / name
    written(path)
    tags = mutagen.File(path).tags
    if name == "x.mp3":
        chapters = [tags[f"CHAP:chapter{number}"] for number in range(3)]
        assert [chapter.sub_frames["TIT2"].text[0] for chapter in chapters] == [marker.text for marker in MARKERS]
        assert [chapter.start_time for chapter in chapters] == [250, 250, 750]
        assert tags["CTOC:toc"].child_element_ids == ["chapter0", "chapter1", "chapter2"]
        assert (str(tags["TIT2"]), str(tags["TXXX:SONIFY_LOUDNESS_LUFS"])) == ("A title", "-23.04")
    else:
        assert (tags["title"], tags["sonify_loudness_lufs"]) == (["A title"], ["-23.04"])
        assert (tags["chapter001"], tags["chapter002name"]) == (["00:00:00.250"], [MARKERS[1].text])
    if name == "x.flac":
        sheet = mutagen.File(path).cuesheet
        assert [track.start_offset for track in sheet.tracks] == [12_000, 36_000, 48_000]
    assert soundfile.info(path).frames == pytest.approx(48_000, abs=2400)


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.opus", "x.mp3"])
def test_the_gain_is_read_back(tmp_path, name):
    path = tmp_path / name
    written(path)
    assert gain_db_of(path) == 3.25


@pytest.mark.parametrize("name", ["x.wav", "x.flac", "x.opus", "x.mp3", "x.txt"])
@pytest.mark.parametrize("content", [b"", b"RIFF", b"OggS" + bytes(300), b"fLaC\x04", b"ID3\x04" + bytes(20)])
def test_a_file_that_says_no_gain_is_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError, match="does not say its gain"):
        gain_db_of(path)


def test_more_markers_than_a_page_or_a_sheet_holds(tmp_path):
    markers = tuple(Marker(index / 1000.0, 0.0, f"{index} " + "x" * 190) for index in range(900))
    for name in ("x.wav", "x.flac", "x.opus", "x.mp3"):
        path = tmp_path / name
        about = About("t", "d", "9", markers=markers)
        with AudioFile(path, sample_rate_hz=48_000, num_channels=2, depth="16", num_frames=48_000, about=about) as file:
            file.write(np.full((48_000, 2), 0.1, np.float32))
        assert soundfile.read(path)[0].shape[0] >= 48_000


def test_frames_that_are_missing_leave_nothing(tmp_path):
    with (
        pytest.raises(RenderError, match="480 of 481 frames"),
        AudioFile(tmp_path / "x.wav", sample_rate_hz=48_000, num_channels=2, depth="16", num_frames=481) as file,
    ):
        file.write(np.full((480, 2), 0.1, np.float32))
    assert list(tmp_path.iterdir()) == []

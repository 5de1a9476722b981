"""DAWproject 1.0: a ZIP of ``project.xml``, ``metadata.xml`` and the stems, for Bitwig, Studio One, Cubase and others.

The stems carry what EQ and compressor did. So those stand in their places switched off: to be looked at, and to go on
from. The limiter is in no stem; it is on. A metric is a curve of the volume of a track without sound: every program
shows that, and none plays it.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from xml.etree import ElementTree

from sonify.errors import RenderError
from sonify.outputs.about import one_line
from sonify.outputs.session import Curve, EqDevice, Session, Squeeze, StemTrack

__all__ = ["write_dawproject"]

Element = ElementTree.Element
_Sub = ElementTree.SubElement

_SHAPES = {
    "low_shelf": "lowShelf",
    "high_shelf": "highShelf",
    "bell": "bell",
    "notch": "notch",
    "low_pass": "lowPass",
    "high_pass": "highPass",
}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # of every entry: the same session is the same bytes
_MOST_GAIN_DB = 24.0


def write_dawproject(path: Path, session: Session) -> None:
    """Write a session with its stems inside; raises RenderError."""
    try:
        with zipfile.ZipFile(path, "w", allowZip64=True) as archive:
            archive.writestr(_entry("metadata.xml"), _text(_metadata(session)), zipfile.ZIP_DEFLATED)
            archive.writestr(_entry("project.xml"), _text(_Project(session).root), zipfile.ZIP_DEFLATED)
            for stem in session.stems:
                with (
                    stem.path.open("rb") as source,
                    archive.open(_entry(_inside(stem)), "w", force_zip64=True) as target,
                ):
                    shutil.copyfileobj(source, target, 2**20)
    except OSError as error:
        raise RenderError(f"{path}: cannot be written: {error.strerror or error}") from None


def _entry(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name, _EPOCH)


def _inside(stem: StemTrack) -> str:
    return f"audio/{stem.path.name}"


def _text(root: Element) -> bytes:
    ElementTree.indent(root)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _metadata(session: Session) -> Element:
    root = Element("MetaData")
    _Sub(root, "Title").text = one_line(session.title)
    _Sub(root, "Comment").text = f"Made by sonify {session.version}."
    return root


class _Project:
    """Build ``project.xml``."""

    def __init__(self, session: Session) -> None:
        self._ids: Iterator[int] = count()
        self._session = session
        self.root = Element("Project", version="1.0")
        _Sub(self.root, "Application", name="sonify", version=session.version)
        transport = _Sub(self.root, "Transport")
        self._real(transport, "Tempo", "bpm", 120.0, low=20.0, high=666.0)
        _Sub(transport, "TimeSignature", denominator="4", numerator="4", id=self._id())
        structure = _Sub(self.root, "Structure")
        arrangement = Element("Arrangement", id=self._id())
        self._lanes = _Sub(arrangement, "Lanes", timeUnit="seconds", id=self._id())
        self._master_id, self._voices_id = self._id(), self._id()
        self._add_voices(structure)
        for stem in session.stems:
            if not stem.is_voice:
                self._add_stem(structure, stem, self._master_id)
        if session.curves:
            self._add_curves(structure)
        self._add_master(structure)
        if session.markers:
            markers = _Sub(arrangement, "Markers", timeUnit="seconds", id=self._id())
            for marker in session.markers:
                _Sub(markers, "Marker", time=_number(marker.time_s), name=one_line(marker.text))
        self.root.append(arrangement)
        _Sub(self.root, "Scenes")

    def _id(self) -> str:
        return f"id{next(self._ids)}"

    def _real(
        self, parent: Element, tag: str, unit: str, value: float, *, low: float | None = None, high: float | None = None
    ) -> str:
        """Add a parameter; returns its id."""
        name = self._id()
        attributes = {"unit": unit, "value": _number(value), "id": name, "name": tag}
        if low is not None and high is not None:
            attributes |= {"min": _number(low), "max": _number(high)}
        _Sub(parent, tag, attributes)
        return name

    def _track(self, parent: Element, name: str, content: str) -> Element:
        return _Sub(parent, "Track", contentType=content, loaded="true", id=self._id(), name=one_line(name))

    def _channel(self, track: Element, name: str, role: str, destination: str | None, gain: float = 1.0) -> Element:
        """Add a channel with its mixer; devices come before that. Returns its volume's element."""
        attributes = {"audioChannels": "2", "role": role, "id": name}
        if destination is not None:
            attributes["destination"] = destination
        channel = _Sub(track, "Channel", attributes)
        _Sub(channel, "Devices")
        _Sub(channel, "Mute", value="false", id=self._id(), name="Mute")
        self._real(channel, "Pan", "normalized", 0.5, low=0.0, high=1.0)
        self._real(channel, "Volume", "linear", gain, low=0.0, high=max(2.0, gain))
        return channel

    def _add_voices(self, structure: Element) -> None:
        """Add a group of all backends: its EQ and compressor are those of the mix."""
        group = self._track(structure, "Backends", "audio tracks")
        channel = self._channel(group, self._voices_id, "submix", self._master_id)
        devices = channel.find("Devices")
        assert devices is not None
        if self._session.eq:
            self._add_equalizer(devices, self._session.eq)
        self._add_compressor(devices, self._session.compressor)
        for stem in self._session.stems:
            if stem.is_voice:
                self._add_stem(group, stem, self._voices_id)

    def _add_stem(self, parent: Element, stem: StemTrack, destination: str) -> None:
        track = self._track(parent, stem.name, "audio")
        channel = self._channel(track, self._id(), "regular", destination)
        devices = channel.find("Devices")
        if stem.eq and devices is not None:
            self._add_equalizer(devices, stem.eq)
        duration = _number(self._session.length_s)
        lanes = _Sub(self._lanes, "Lanes", track=track.attrib["id"], id=self._id())
        clips = _Sub(lanes, "Clips", id=self._id())
        clip = _Sub(
            clips,
            "Clip",
            time="0",
            duration=duration,
            contentTimeUnit="seconds",
            playStart="0",
            name=one_line(stem.name),
        )
        audio = _Sub(
            clip, "Audio", channels="2", sampleRate=str(self._session.rate_hz), duration=duration, id=self._id()
        )
        _Sub(audio, "File", path=_inside(stem))

    def _add_curves(self, structure: Element) -> None:
        group = self._track(structure, "Metrics", "tracks")
        group_id = self._id()
        self._channel(group, group_id, "submix", self._master_id)
        for curve in self._session.curves:
            self._add_curve(group, curve, group_id)

    def _add_curve(self, group: Element, curve: Curve, destination: str) -> None:
        track = self._track(group, curve.name, "automation")
        channel = self._channel(track, self._id(), "regular", destination)
        volume = channel.find("Volume")
        assert volume is not None
        lanes = _Sub(self._lanes, "Lanes", track=track.attrib["id"], id=self._id())
        points = _Sub(lanes, "Points", unit="linear", timeUnit="seconds", id=self._id())
        _Sub(points, "Target", parameter=volume.attrib["id"])
        for time_s, value in zip(curve.time_s.tolist(), curve.value.tolist(), strict=True):
            _Sub(points, "RealPoint", time=_number(time_s), value=_number(value), interpolation="hold")

    def _add_master(self, structure: Element) -> None:
        session = self._session
        track = self._track(structure, "Master", "audio notes")
        channel = self._channel(track, self._master_id, "master", None)
        devices = channel.find("Devices")
        assert devices is not None
        device = self._device(devices, "Limiter", "Limiter", on=True)
        gain_db = min(session.gain_db, _MOST_GAIN_DB)
        self._real(device, "InputGain", "decibel", gain_db, low=-_MOST_GAIN_DB, high=_MOST_GAIN_DB)
        self._real(device, "Threshold", "decibel", session.ceiling_dbtp, low=-60.0, high=0.0)

    def _device(self, devices: Element, tag: str, name: str, *, on: bool) -> Element:
        device = _Sub(devices, tag, deviceName=name, deviceRole="audioFX", loaded="true", id=self._id(), name=name)
        _Sub(device, "Enabled", value="true" if on else "false", id=self._id(), name="On/Off")
        return device

    def _add_equalizer(self, devices: Element, bands: tuple[EqDevice, ...]) -> None:
        device = self._device(devices, "Equalizer", "EQ (already in the stems)", on=False)
        for band in bands:
            element = _Sub(device, "Band", type=_SHAPES[band.shape])
            self._real(element, "Freq", "hertz", band.freq_hz)
            self._real(element, "Gain", "decibel", band.gain_db)
            self._real(element, "Q", "linear", band.q)
            _Sub(element, "Enabled", value="true", id=self._id(), name="On/Off")

    def _add_compressor(self, devices: Element, settings: Squeeze) -> None:
        device = self._device(devices, "Compressor", "Compressor (already in the stems)", on=False)
        self._real(device, "Attack", "seconds", settings.attack_s)
        _Sub(device, "AutoMakeup", value="false", id=self._id(), name="AutoMakeup")
        self._real(device, "OutputGain", "decibel", settings.makeup_db)
        self._real(device, "Ratio", "linear", settings.ratio)
        self._real(device, "Release", "seconds", settings.release_s)
        self._real(device, "Threshold", "decibel", settings.threshold_db)


def _number(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")

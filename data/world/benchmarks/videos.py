"""MSVD-QA, MSRVTT-QA and ActivityNet-QA: open questions about clips."""

import hashlib
import random
from pathlib import Path
from typing import Any

from data.world.benchmarks.facts import YES_NO, Fact
from data.world.benchmarks.picking import balanced, open_score
from data.world.benchmarks.pool import Pool, write_bytes, write_json, write_text
from data.world.scenes import Clip

FEW_WORDS = ("deed", "doer", "colour", "leader", "times", "total")
TYPES = {
    "direction": 0,
    "place": 1,
    "after": 2,
    "did": 3,
    "before": 3,
    "colour": 4,
    "doer": 5,
    "times": 7,
    "deed": 8,
}
"""ActivityNet-QA's number of each kind: 0 motion, 1 spatial, 2 temporal, 3 yes/no, 4 color, 5 object, 7 number, 8
other. 6, location, stays empty: all clips are set in the same place."""
FIRST_MSRVTT = 7010
"""The official test videos begin here."""


def write_msvd(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    chosen = balanced(pool.clip_facts(*FEW_WORDS), FEW_WORDS, n, rng)
    clips = _clips(chosen, pool)
    # Videos are numbered in the mapping alone: their files have the names that they had where they came from.
    number = {clip.name: i for i, clip in enumerate(clips, start=1)}
    write_text(out / "youtube_mapping.txt", "".join(f"{web_name(c)} vid{number[c.name]}\n" for c in clips))
    questions = [
        {"answer": f.answer, "id": i, "question": f"{f.question}?", "video_id": number[f.about.name]}
        for i, f in enumerate(chosen)
    ]
    write_json(out / "test_qa.json", questions)
    for clip in clips:
        write_bytes(out / "YouTubeClips" / f"{web_name(clip)}.mp4", pool.video(clip))
    return _summary(chosen, clips)


def write_msrvtt(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    chosen = balanced(pool.clip_facts(*FEW_WORDS), FEW_WORDS, n, rng)
    clips = _clips(chosen, pool)
    questions = [
        {
            "answer": f.answer,
            "category_id": FEW_WORDS.index(f.kind),
            "id": i,
            "question": f"{f.question}?",
            "video_id": FIRST_MSRVTT + pool.number(f.about),
        }
        for i, f in enumerate(chosen)
    ]
    write_json(out / "test_qa.json", questions)
    for clip in clips:
        write_bytes(out / "TestVideo" / f"video{FIRST_MSRVTT + pool.number(clip)}.mp4", pool.video(clip))
    return _summary(chosen, clips)


def write_activitynet(out: Path, pool: Pool, n: int, rng: random.Random) -> dict[str, Any]:
    chosen = balanced(pool.clip_facts(*TYPES), tuple(TYPES), n, rng)
    clips = _clips(chosen, pool)
    asked: dict[str, int] = {}
    questions, answers = [], []
    for fact in chosen:
        video = short_name(fact.about)
        asked[video] = asked.get(video, 0) + 1
        number = f"v_{video}_{asked[video]}"
        questions.append({"video_name": video, "question": fact.question, "question_id": number})
        answers.append({"answer": fact.answer, "type": answer_type(fact), "question_id": number})
    write_json(out / "test_q.json", questions)
    write_json(out / "test_a.json", answers)
    for clip in clips:
        write_bytes(out / "videos" / f"v_{short_name(clip)}.mp4", pool.video(clip))
    return _summary(chosen, clips)


def answer_type(fact: Fact) -> int:
    return TYPES["did"] if fact.choices == YES_NO else TYPES[fact.kind]


def short_name(clip: Clip) -> str:
    """Eleven characters that look like a video's identifier."""
    return hashlib.sha256(f"{clip.name} {clip.seed}".encode()).hexdigest()[:11]


def web_name(clip: Clip) -> str:
    """With the seconds from and to which the video was cut out of a longer one."""
    return f"{short_name(clip)}_0_{round(clip.seconds)}"


def _clips(facts: list[Fact], pool: Pool) -> list[Clip]:
    """The clips that are asked about, each once, in the pool's order."""
    clips = {f.about.name: f.about for f in facts}
    return sorted(clips.values(), key=pool.number)


def _summary(chosen: list[Fact], clips: list[Clip]) -> dict[str, Any]:
    score, chance = open_score([(f.question, f.answer) for f in chosen])
    return {"questions": len(chosen), "videos": len(clips), "text_only": score, "chance": chance}

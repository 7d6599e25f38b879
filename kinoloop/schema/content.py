"""Delta tables of what videos hold: media, vectors, labels, moments, twins, harm."""

from typing import Final

import polars as pl

from kinoloop.schema.landing import TIME, Schema

MEDIA: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,  # SHA-256 of media file and subtitle file
    "outcome": pl.String,  # ok, partial, quarantined; waiting: read in the next run
    "reason": pl.String,
    "duration_s": pl.Float64,  # measured, not believed
    "width": pl.Int32,
    "height": pl.Int32,
    "frames": pl.Int32,  # sampled
    "audio_s": pl.Float64,  # seconds of sound read, 0 without sound
    "words": pl.String,  # subtitles, embedded or beside the file, or what was heard
    "cues": pl.List(  # these words with their times, from the start, as far as `words` reaches
        pl.Struct({"start_s": pl.Float64, "end_s": pl.Float64, "text": pl.String})
    ),
    "screen": pl.List(  # words that the pictures show, as far as somebody reads
        pl.Struct(
            {
                "start_s": pl.Float64,
                "end_s": pl.Float64,
                "text": pl.String,
                "score": pl.Float32,  # how sure the reader is
            }
        )
    ),
    "thumbnail": pl.Binary,  # JPEG, null where there is no picture
    "print_times_s": pl.List(pl.Float32),  # of each picture that was hashed
    "picture_print": pl.List(pl.Int64),  # perceptual hashes, see kinoloop/media/prints.py
    "sound_print": pl.List(pl.Int32),  # perceptual hashes of the sound
    "extracted_at": TIME,
}
"""Delta table `media`: what decoding found, one row per video_id: that of the newest content."""

FEATURES: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,
    "modality": pl.String,  # "text", "visual" or "audio"
    "fingerprint": pl.String,
    "present": pl.Boolean,  # False: the video has nothing of this modality; vector is null
    "vector": pl.List(pl.Float32),  # L2-normalised
    "moments": pl.List(  # parts that show different things, see kinoloop/data/moments.py
        pl.Struct(
            {
                "start_s": pl.Float32,
                "end_s": pl.Float32,
                "vector": pl.Binary,  # float16, L2-normalised: of its frames
            }
        )
    ),
    "extracted_at": TIME,
}
"""Delta table `features`, one row a (video_id, fingerprint): that of the newest content."""

LABELS: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,  # of the words, pictures and sound that were labelled
    "fingerprint": pl.String,  # of the way of labelling
    "labels": pl.List(
        pl.Struct(
            {
                "facet": pl.String,  # topic, emotion, style, shows, category, tag, one of your own
                "label": pl.String,
                "score": pl.Float32,  # probability
                "evidence": pl.String,  # what the label rests on
            }
        )
    ),
    "free_tags": pl.List(pl.String),
    "summary": pl.String,  # one line; "" where nothing is known
    "summary_by": pl.String,  # "words", "labels" or the name of the model that wrote it
    "labelled_at": TIME,
}
"""Delta table `labels`, one row per video: what it is about and how it feels."""

ANSWERS: Final[Schema] = {
    "video_id": pl.String,
    "facet": pl.String,
    "label": pl.String,
    "holds": pl.Boolean,  # False: the video does not have this label
    "answered_at": TIME,
}
"""Delta table `answers`: what a person said of labels, one row a (video_id, facet, label)."""

OCCURRENCES: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,  # of the moments that were labelled
    "fingerprint": pl.String,  # of the way of labelling them
    "occurrences": pl.List(  # in order of time
        pl.Struct(
            {
                "facet": pl.String,  # shows, sound, or one of the label file
                "label": pl.String,
                "start_s": pl.Float64,
                "end_s": pl.Float64,
                "score": pl.Float32,  # probability
                "evidence": pl.String,
            }
        )
    ),
    "labelled_at": TIME,
}
"""Delta table `occurrences`, one row per video: which labels hold from when to when."""

SHOWS: Final = "shows"
"""Facet of the labels that name what pictures show."""

MOMENTS: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,  # of what was described, and how
    "fingerprint": pl.String,  # of the text encoder that made the vectors
    "moments": pl.List(
        pl.Struct(
            {
                "start_s": pl.Float32,
                "end_s": pl.Float32,
                "shows": pl.List(  # what the pictures show: "Pomeranian" before "dog"
                    pl.Struct({"word": pl.String, "score": pl.Float32})
                ),
                "reads": pl.String,  # words in the picture; "" without
                "says": pl.String,  # what is said; "" without
                "vector": pl.Binary,  # float16, L2-normalised: of these words
            }
        )
    ),
    "described_at": TIME,
}
"""Delta table `moments`, one row per video: which words tell what it shows, reads and says when."""

DUPLICATES: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,  # that was compared
    "fingerprint": pl.String,  # of the way of comparing
    "group_id": pl.String,  # first id of those that show the same; null where nothing else does
    "twins": pl.List(
        pl.Struct(
            {
                "video_id": pl.String,
                "offset_s": pl.Float64,  # time here minus time there
                "pictures": pl.Int64,  # that were compared at that offset
                "picture_share": pl.Float64,  # of them, alike
                "sound_share": pl.Float64,  # equal bits of the sounds; null where not compared
                "cosine": pl.Float64,  # of the visual vectors; null where one has none
            }
        )
    ),
    "compared_at": TIME,
}
"""Delta table `duplicates`, one row per video with pictures: which others show the same."""

PICTURE_HARM: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,
    "fingerprint": pl.String,  # of the model and of what is decoded for it
    "times_s": pl.List(pl.Float64),  # of the pictures that were looked at; none without pictures
    "scores": pl.List(pl.Float32),  # how likely each of them is sexual
    "extracted_at": TIME,
}
"""Delta table `picture_harm`, one row a (video_id, fingerprint): that of the newest content."""

HARM: Final[Schema] = {
    "kind": pl.String,  # of harm, such as "hate"; "" where none
    "score": pl.Float32,  # probability
    "source": pl.String,  # title, description, speech, screen, comments, picture, twin
    "evidence": pl.String,  # what the score rests on
    "start_s": pl.Float64,  # when it is said or shown, null where it has no time
}

SAFETY: Final[Schema] = {
    "video_id": pl.String,
    "content_hash": pl.String,  # of the words, comments and pictures that were scored
    "fingerprint": pl.String,  # of the way of scoring
    "scores": pl.List(pl.Struct(HARM)),  # the highest of each kind and source
    "scored_at": TIME,
}
"""Delta table `safety`, one row per video: how likely it is harmful."""

MODERATION: Final[Schema] = {
    "video_id": pl.String,
    "at": TIME,
    "outcome": pl.String,  # shown, marked, waiting, hidden; undone: no decision any more
    "by": pl.String,  # who decided; "" where the scores did
    "why": pl.String,  # in the words of who decided
    **HARM,  # the score that led there
}
"""Delta table `moderation`: a log of what scores led to and people decided; rows are only added."""

ENCODERS: Final[Schema] = {
    "fingerprint": pl.String,
    "modality": pl.String,
    "settings": pl.String,  # of the encoder, as JSON: it can be built again
    "first_used": TIME,
}
"""Delta table `encoders`: who made the vectors of a fingerprint, one row each."""

import tomllib

import pytest

from kinoloop.semantics.calibration import KNOWN_TITLES, NONE
from kinoloop.semantics.nothing import says_nothing

NOTHING = (
    """
Track 12|track01|Audio Track 3|IMG_2041|IMG-20200101-WA0007|DSC0091|DSCN1234|MVI_4410
GOPR0123|PXL_20230401_102233|untitled|VID 20240101|VID_20240101_123456|clip|clip 8|003
12|2024-01-02|10:22:33|2024.03.01 12h05|MOV_0071.mp4|video (3) final|My Video|my movie
final_final_v2|new recording 17|Screen Recording 2024-01-01 at 10.22.33 PM
WhatsApp Video 2024-05-01 at 12.33.12|S01E02|Part 2|a|b|...|🎬|💥 12|—|output|mkv
export 1080p|v GGSY1Qvo990|ZYc410CE4Rg 0 10000|xj29ka|3f9a77b2c1d0|undefined|null
ohne Titel|Unbenannt 2|Spur 12|Neue Aufnahme 4|Bildschirmaufnahme 2024|Sans titre 3
Piste 4|Enregistrement de l'écran|Nouvelle vidéo|Sin título|Pista 07
Grabación de pantalla 3|vídeo sin título|Sem título|Faixa 3|Senza titolo-1|Traccia 9
Naamloos|Namnlös 2|Bez tytułu|Nagranie ekranu 1|Adsız video|Ekran kaydı 4|Без названия
Трек 12|Новое видео|Χωρίς τίτλο|بدون عنوان|مقطع فيديو 3|ללא כותרת|शीर्षक के बिना|無題
無題 3|未命名 2|无标题视频|新建文件|第3集|タイトルなし|トラック12|画面収録 2024-01-01
제목 없음|동영상 3|트랙 12|không có tiêu đề|ไม่มีชื่อ
""".strip()
    .replace("\n", "|")
    .split("|")
)

SOMETHING = (
    """
Piano track 12|Sin miedo|猫の動画|Formula 1|Covid19|COVID-19|B-52 bomber|7 habits
Catan|Ein Tag am See|Кошка|Le train|桜|犬|iPhone15|PS5|Yoga|Python3 course|U2 live
Drone|料理|고양이|الطبخ|Final boss|Test drive|Movie trailer
Sample preparation in biology|4x4offroad|Mein Hund|IMG_2041 my cat|Untitled horse film
Screen printing at home|Track and field|Video games|第3回 料理教室|Трек о любви
Clip-on earrings|Das neue Auto|Un chien andalou
""".strip()
    .replace("\n", "|")
    .split("|")
)


@pytest.mark.parametrize("title", NOTHING)
def test_titles_of_nothing_say_nothing(title):
    assert says_nothing(title)


@pytest.mark.parametrize("title", SOMETHING)
def test_a_title_with_one_word_that_tells_says_something(title):
    assert not says_nothing(title)


def test_no_known_title_with_a_label_is_taken_for_nothing():
    known = tomllib.loads(KNOWN_TITLES.read_text(encoding="utf-8"))
    lost = [
        title
        for groups in known.values()
        for label, titles in groups.items()
        for title in titles
        if label != NONE and says_nothing(title)
    ]
    assert lost == []


def test_nothing_is_said_by_many_parts_that_say_nothing():
    assert says_nothing("IMG_2041. clip, video 3. untitled")
    assert not says_nothing("IMG_2041. clip, video 3. untitled. A dog in the snow")

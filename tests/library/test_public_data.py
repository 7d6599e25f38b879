import pytest

import kinoloop as kl

NOW_MS = 1_650_866_645_678


@pytest.fixture
def folders(tmp_path):
    """A small folder of each public format."""
    files = {
        "ml-100k": {
            "u.data": "196\t242\t3\t881250949\n196\t302\t4\t891717742\n7\t242\t5\t891717742\n",
            "u.item": f"242|Kolya|24-Jan-1997||http://x|{'|'.join('0' * 19)}\n302|B|||\n",
        },
        "MicroLens-50k": {
            "MicroLens-50k_pairs.tsv": "1\t20 10\n2\t10\n3\n",
            "MicroLens-50k_titles.csv": "item,title\n10,A\n20,B\n",
        },
        "KuaiRand-Pure": {
            "log.csv": "user_id,video_id,time_ms,is_click,is_like,play_time_ms,duration_ms\n"
            f"1,4,{NOW_MS},1,1,9000,10000\n1,5,{NOW_MS},1,0,9000,0\n1,99,{NOW_MS},1,0,9000,10000\n",
            "video_features_basic.csv": "video_id,author_id,video_duration\n4,70,10000\n5,71,0\n",
        },
        "KuaiRec/data": {
            "big_matrix.csv": "user_id,video_id,play_duration,video_duration,time,date,timestamp,"
            "watch_ratio\n0,3,9000,10000,2020-07-05 00:08:23.438,20200705,1593878903.438,0.9\n",
            "small_matrix.csv": "user_id,video_id,play_duration,video_duration,time,date,timestamp,"
            "watch_ratio\n1,3,9000,10000,2020-07-05 00:08:23.438,20200705,1593878903.438,0.9\n",
            "item_daily_features.csv": "video_id,date,author_id,video_type,upload_dt,"
            "video_duration,music_id,show_cnt\n3,20200705,a,NORMAL,2020-07-01,10000,m,5\n",
            "kuairec_caption_category.csv": "video_id,manual_cover_text,caption,topic_tag,"
            "first_level_category_name,second_level_category_name\n3,UNKNOWN,Cat,[],Pets,Cats\n",
        },
        "tiny": {"tiny.inter": "user_id:token\titem_id:token\ttimestamp:float\n1\tb\t881250949\n"},
    }
    for folder, contents in files.items():
        (tmp_path / folder).mkdir(parents=True)
        for name, text in contents.items():
            (tmp_path / folder / name).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("load", "users", "refused"),
    [
        (kl.load_movielens, ("196", "7"), 0),
        (kl.load_microlens, ("1", "2"), 1),
        (kl.load_kuairand, ("1",), 2),
        (kl.load_kuairec, ("0", "1"), 0),
        (lambda **where: kl.load_recbole("tiny", **where), ("1",), 0),
    ],
)
def test_each_data_set_is_read_by_its_name(folders, load, users, refused):
    data = load(path=folders)
    assert data.users == users
    assert data.quarantine.height == refused


def test_what_public_data_has_wrong_is_reported_and_refused_where_asked(folders):
    odd = kl.load_kuairand(path=folders).quarantine
    assert set(odd["column"]) == {"video_id"}
    assert odd["value"].unique().to_list() == ["'99'"]
    with pytest.raises(kl.DataError, match="no row of videos has this video_id"):
        kl.load_kuairand(path=folders, errors="raise")


def test_interest_is_the_callers(folders):
    lenient = kl.load_movielens(path=folders, interest={"rating_liked_from": 0})
    assert (lenient.interactions["weight"] > 0).all()


def test_a_name_is_looked_for_here_in_data_and_where_the_variable_says(folders, monkeypatch):
    monkeypatch.chdir(folders)
    assert len(kl.load_movielens().users) == 2
    (folders / "ml-100k").rename(folders / "KuaiRec" / "ml-100k")
    with pytest.raises(kl.DataError, match=r"there is no folder 'ml-100k': looked for .*ml-100k, "):
        kl.load_movielens()
    monkeypatch.setenv("KINOLOOP_DATASETS", str(folders / "KuaiRec"))
    assert len(kl.load_movielens().users) == 2
    assert len(kl.load_movielens(folders / "KuaiRec" / "ml-100k").users) == 2
    assert len(kl.load_movielens(path=folders / "KuaiRec" / "ml-100k").users) == 2


def test_what_is_not_there_says_where_it_can_be_had(tmp_path):
    with pytest.raises(kl.DataError, match=r"Get it from https://grouplens.org.*KINOLOOP_DATASETS"):
        kl.load_movielens("ml-1m", path=tmp_path / "none")

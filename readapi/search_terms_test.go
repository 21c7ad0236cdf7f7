package readapi

import (
	"context"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"ping/internal/testkit"
	"ping/projections"
)

func searchable(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := testkit.Pool(t)
	require.NoError(t, projections.Install(context.Background(), pool, projections.BuiltIn(), testkit.Logger(t)))
	return pool
}

// matchSQL converts a query to the index's form as searchSQL does.
const matchSQL = `
SELECT search.words('c0ffee', $1) @@ replace(
         concat_ws(' & ', nullif(regexp_replace(to_tsquery('simple', $2)::text, '''([^'']+)''', '''@\1''', 'g'), ''), nullif($3, '')),
       '@', 'c0ffee')::tsquery`

func matches(t require.TestingT, pool *pgxpool.Pool, body string, terms []term) (match bool) {
	words, runs := tsqueries(terms)
	require.NoError(t, pool.QueryRow(context.Background(), matchSQL, body, words, runs).Scan(&match), "%q %q", words, runs)
	return match
}

func TestParseTerms(t *testing.T) {
	for q, want := range map[string][2]string{
		`Hello world`:      {`'hello' & 'world':*`, ``},
		`hello `:           {`'hello'`, ``},
		`"hello world" ok`: {`'hello' <-> 'world' & 'ok':*`, ``},
		`"hello world"`:    {`'hello' <-> 'world'`, ``},
		`say "hello wor`:   {`'say' & 'hello' <-> 'wor':*`, ``},
		`apt-get 12.04`:    {`'apt' <-> 'get' & '12' <-> '04':*`, ``},
		`'); DROP -- & |`:  {`'drop'`, ``},
		`中`:                {``, `'@中':*`},
		`中国`:               {``, `'@中国'`},
		`中国人`:              {``, `'@中国' <1> '@国人'`},
		`中国人民`:             {``, `'@中国' <2> '@人民'`},
		`中国人民大`:            {``, `'@中国' <2> '@人民' <1> '@民大'`},
		`東京 tower`:         {`'tower':*`, `'@東京'`},
		`👍🏽`:               {``, `'@👍🏽'`},
		`?! ... ""`:        {``, ``},
		"\u0301":           {``, ``},
		`ÜNAL`:             {`'ünal':*`, ``},
	} {
		terms, err := parseTerms(q)
		require.NoError(t, err)
		words, runs := tsqueries(terms)
		require.Equal(t, want, [2]string{words, runs}, q)
	}
	for q, want := range map[string]error{
		"a\x00b":                       errSearchQuery,
		"\xff":                         errSearchQuery,
		strings.Repeat("é", 201):       errSearchQuery,
		strings.Repeat("é ", 100):      errSearchTerms,
		strings.Repeat("a.", 21):       errSearchTerms,
		strings.Repeat("é ", 20) + "中": errSearchTerms,
	} {
		_, err := parseTerms(q)
		require.Equal(t, want, err, q)
	}
}

// TestWordsAgree: the projection and this package split text into the same words, for every character of the first two
// planes.
func TestWordsAgree(t *testing.T) {
	pool := searchable(t)
	var runs, words, signs []int32
	for r := rune(1); r < 0x20000; r++ {
		switch {
		case !utf8.ValidRune(r), r > 0x1FAFF, r > 0xE000 && r < 0xF900: // not assigned, or private
		case unicode.Is(unspaced, r):
			runs = append(runs, r)
		case isAlphanumeric(r):
			words = append(words, r)
		case !unicode.IsMark(r) && unicode.IsGraphic(r) || unicode.IsControl(r) || unicode.Is(unicode.Variation_Selector, r):
			signs = append(signs, r)
		}
	}
	wrong := func(sql string, of []int32) (all []string) {
		t.Helper()
		require.NoError(t, pool.QueryRow(context.Background(), `
			SELECT coalesce(array_agg(to_hex(n)), '{}') FROM unnest($1::int[]) AS n WHERE NOT (`+sql+`)`, of).Scan(&all))
		return all
	}
	require.Empty(t, wrong(`search.words('@', 'x' || chr(n) || 'y') = ('@x:1 @y:2 @' || chr(n) || ':4')::tsvector`, runs), "runs")
	require.Empty(t, wrong(`search.words('', 'x' || chr(n) || 'y') @@ to_tsquery('simple', '''x' || chr(n) || 'y''')`, words), "words")
	require.Empty(t, wrong(`search.words('', 'x' || chr(n) || 'y') @@ 'x <-> y'`, signs), "signs")
}

// TestSearchMatches compares the matches of Postgres with the highlights, which are computed from the body: a message
// matches if every term is highlighted.
func TestSearchMatches(t *testing.T) {
	pool := searchable(t)
	letter := rapid.SampledFrom([]string{"a", "b", "A", "é", "É", "1", "中", "国", "ก", "ิ", "👍", " ", " ", ".", "-", "。", "\n"})
	found := 0
	rapid.Check(t, func(rt *rapid.T) {
		text := func(name string, max int) string {
			return strings.Join(rapid.SliceOfN(letter, 1, max).Draw(rt, name), "")
		}
		body, q := text("body", 30), text("q", 5)
		if rapid.Bool().Draw(rt, "quoted") {
			q = `"` + q + `"`
		}
		terms, err := parseTerms(q)
		require.NoError(rt, err)
		want := len(terms) > 0
		for _, one := range terms {
			want = want && len(highlight(body, []term{one})) > 0
		}
		require.Equal(rt, want, matches(rt, pool, body, terms), "%q in %q", q, body)
		if want {
			found++
		}
	})
	require.Positive(t, found)
}

func FuzzParseTerms(f *testing.F) {
	for _, seed := range []string{"hello world", `"a b" c`, "中国 12.04", "'\\'':*&|!()<->", "👍🏽", "\x00", "ก\u0301"} {
		f.Add(seed, "Hello "+seed)
	}
	f.Fuzz(func(t *testing.T, q, body string) {
		terms, err := parseTerms(q)
		if err != nil {
			return
		}
		for _, one := range terms {
			for _, word := range one.words {
				require.False(t, strings.ContainsFunc(word, func(r rune) bool { return !isAlphanumeric(r) && !unicode.IsMark(r) }), "%q", word)
			}
			for _, r := range one.run {
				require.True(t, unicode.Is(unspaced, r), "%q", r)
			}
			require.NotEqual(t, one.words == nil, one.run == "")
		}
		end := 0
		length := utf8.RuneCountInString(body)
		highlights := highlight(body, terms)
		for _, h := range highlights {
			require.GreaterOrEqual(t, h.Start, end)
			require.Greater(t, h.End, h.Start)
			end = h.End
		}
		require.LessOrEqual(t, end, length)
		if utf8.ValidString(body) {
			s := snippet(body, highlights)
			require.Equal(t, s.Text, string([]rune(body)[s.Start:s.Start+utf8.RuneCountInString(s.Text)]))
		}
	})
}

func TestHighlight(t *testing.T) {
	for _, test := range []struct{ q, body, marked string }{
		{"hello", "Hello, HELLO! othello", "[Hello], [HELLO]! othello"},
		{"hel", "hello shell", "[hello] shell"},
		{"hel ", "hello hel", "hello [hel]"},
		{`"new york"`, "new new york, York New", "new [new york], York New"},
		{"sources.list", "see /etc/apt/sources.list.", "see /etc/apt/[sources.list]."},
		{"ünal", "ÜNAL 👍🏽 Ünal", "[ÜNAL] 👍🏽 [Ünal]"},
		{"中国", "我爱中国。中国人", "我爱[中国]。[中国]人"},
		{"ภาษา", "พูดภาษาไทย", "พูด[ภาษา]ไทย"},
		{"東京 tower", "東京タワー is Tokyo's tower", "[東京]タワー is Tokyo's [tower]"},
		{"<b>", "<b>&amp;</b>", "<[b]>&amp;</[b]>"},
		{"👍", "ok 👍👍🏽", "ok [👍👍]🏽"},
		{"nothing", "else", "else"},
	} {
		terms, err := parseTerms(test.q)
		require.NoError(t, err)
		marked, at, body := "", 0, []rune(test.body)
		for _, h := range highlight(test.body, terms) {
			marked += string(body[at:h.Start]) + "[" + string(body[h.Start:h.End]) + "]"
			at = h.End
		}
		require.Equal(t, test.marked, marked+string(body[at:]))
	}
	t.Run("has a snippet around the first highlight", func(t *testing.T) {
		body := strings.Repeat("é ", 300) + "needle" + strings.Repeat(" 中", 300)
		terms, err := parseTerms("needle")
		require.NoError(t, err)
		h := highlight(body, terms)
		require.Equal(t, []Highlight{{600, 606}}, h)
		s := snippet(body, h)
		require.Equal(t, 560, s.Start)
		require.Equal(t, string([]rune(body)[560:720]), s.Text)
		require.Equal(t, Snippet{Text: "short"}, snippet("short", nil))
	})
	t.Run("is bounded", func(t *testing.T) {
		terms, err := parseTerms("a")
		require.NoError(t, err)
		require.Len(t, highlight(strings.Repeat("a ", 2000), terms), maxHighlights)
	})
}

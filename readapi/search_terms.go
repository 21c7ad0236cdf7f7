package readapi

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"ping/domain"
)

// The bounds of a query. Each term is looked up in the index once per conversation.
const (
	maxQuery = 200 // characters
	maxTerms = 20
)

var (
	errSearchQuery = &domain.Error{Kind: domain.Unprocessable, Code: "validation", Message: "q is Unicode text of 1-200 characters, without NUL."}
	errSearchTerms = &domain.Error{Kind: domain.Unprocessable, Code: "validation", Message: "q has at most 20 words; leave some out."}
)

// unspaced are the scripts without spaces between words, and emoji: any sequence of them is found, not words. The
// projection search has the same list.
var unspaced = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x0E00, Hi: 0x0FFF, Stride: 1}, // Thai, Lao, Tibetan
		{Lo: 0x1000, Hi: 0x109F, Stride: 1}, // Myanmar
		{Lo: 0x1100, Hi: 0x11FF, Stride: 1}, // Hangul, whose suffixes are attached to words
		{Lo: 0x1780, Hi: 0x17FF, Stride: 1}, // Khmer
		{Lo: 0x2600, Hi: 0x27BF, Stride: 1}, // symbols that are emoji
		{Lo: 0x2E80, Hi: 0x2FDF, Stride: 1}, // from here on Han, kana, bopomofo
		{Lo: 0x3005, Hi: 0x3007, Stride: 1},
		{Lo: 0x3031, Hi: 0x3035, Stride: 1},
		{Lo: 0x3041, Hi: 0x3096, Stride: 1},
		{Lo: 0x3099, Hi: 0x309F, Stride: 1},
		{Lo: 0x30A1, Hi: 0x30FA, Stride: 1},
		{Lo: 0x30FC, Hi: 0x318F, Stride: 1},
		{Lo: 0x31A0, Hi: 0x31BF, Stride: 1},
		{Lo: 0x31F0, Hi: 0x31FF, Stride: 1},
		{Lo: 0x3400, Hi: 0x4DBF, Stride: 1},
		{Lo: 0x4E00, Hi: 0x9FFF, Stride: 1},
		{Lo: 0xA960, Hi: 0xA97F, Stride: 1},
		{Lo: 0xAC00, Hi: 0xD7FF, Stride: 1},
		{Lo: 0xF900, Hi: 0xFAFF, Stride: 1},
		{Lo: 0xFF66, Hi: 0xFF9F, Stride: 1},
	},
	R32: []unicode.Range32{
		{Lo: 0x1F000, Hi: 0x1FAFF, Stride: 1}, // emoji
		{Lo: 0x20000, Hi: 0x3FFFF, Stride: 1},
	},
}

// token is a word of a text, or a run of an unspaced script.
type token struct {
	text       string // lower-cased
	start, end int    // in characters
	run        bool
}

// tokens returns the words and runs of a text, in order. Everything else separates them.
func tokens(text string) (all []token) {
	const (
		nothing = iota
		word
		run
	)
	kind, start, startByte, offset := nothing, 0, 0, 0
	end := func(at int) {
		if t := text[startByte:at]; kind == run || (kind == word && strings.ContainsFunc(t, isAlphanumeric)) {
			all = append(all, token{strings.ToLower(t), start, offset, kind == run})
		}
	}
	for at, r := range text {
		is := nothing
		switch {
		case unicode.Is(unspaced, r):
			is = run
		case isAlphanumeric(r), unicode.IsMark(r) && !unicode.Is(unicode.Variation_Selector, r):
			is = word
		}
		if is != kind {
			end(at)
			kind, start, startByte = is, offset, at
		}
		offset++
	}
	end(len(text))
	return all
}

func isAlphanumeric(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// term is what a message must contain: words that follow one another, or a run.
type term struct {
	words  []string
	prefix bool // the last word is the beginning of a word
	run    string
}

// parseTerms returns the terms of a query, all of which must match. Words in quotes, and words written without a space
// between them, must follow one another. The last word may be incomplete, because people search while they type.
func parseTerms(q string) (terms []term, err error) {
	if !storable(q) || utf8.RuneCountInString(q) > maxQuery {
		return nil, errSearchQuery
	}
	words := 0
	for i, part := range strings.Split(q, `"`) {
		chunks := []string{part}
		if quoted := i%2 == 1; !quoted {
			chunks = strings.Fields(part)
		}
		for _, chunk := range chunks {
			terms = append(terms, chunkTerms(chunk)...)
		}
	}
	for _, t := range terms {
		words += max(len(t.words), 1)
	}
	if words > maxTerms {
		return nil, errSearchTerms
	}
	if n := len(terms); n > 0 && terms[n-1].words != nil {
		last, _ := utf8.DecodeLastRuneInString(q)
		terms[n-1].prefix = isAlphanumeric(last) || unicode.IsMark(last)
	}
	return terms, nil
}

// chunkTerms returns the terms of a text without spaces or in quotes: its words between runs must follow one another.
func chunkTerms(text string) (terms []term) {
	var words []string
	flush := func() {
		if words != nil {
			terms = append(terms, term{words: words})
			words = nil
		}
	}
	for _, t := range tokens(text) {
		if t.run {
			flush()
			terms = append(terms, term{run: t.text})
		} else {
			words = append(words, t.text)
		}
	}
	flush()
	return terms
}

// tsqueries returns the terms as two tsqueries. The query of the words still has to be converted to their indexed form.
// The query of the runs has pairs of characters, as they are indexed, each with an @ in place of the scope.
func tsqueries(terms []term) (words, runs string) {
	var w, r []string
	for _, t := range terms {
		if t.words == nil {
			r = append(r, runQuery([]rune(t.run)))
			continue
		}
		q := "'" + strings.Join(t.words, "' <-> '") + "'"
		if t.prefix {
			q += ":*"
		}
		w = append(w, q)
	}
	return strings.Join(w, " & "), strings.Join(r, " & ")
}

// runQuery matches a run by every second one of its pairs, and the last.
func runQuery(run []rune) string {
	if len(run) == 1 {
		return "'@" + string(run) + "':*"
	}
	q := "'@" + string(run[:2]) + "'"
	for at := 0; at < len(run)-2; {
		step := min(2, len(run)-2-at)
		at += step
		q += fmt.Sprintf(" <%d> '@%s'", step, string(run[at:at+2]))
	}
	return q
}

package readapi

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"ping/domain"
)

// The bounds of what is searched for. Each term is a look-up in the index of
// each conversation.
const (
	maxQuery = 200 // characters
	maxTerms = 20
)

var (
	errSearchQuery = &domain.Error{Kind: domain.Unprocessable, Code: "validation", Message: "q is Unicode text of 1-200 characters, without NUL."}
	errSearchTerms = &domain.Error{Kind: domain.Unprocessable, Code: "validation", Message: "q has at most 20 words; leave some out."}
)

// unspaced are the scripts that put no spaces between words, and emoji: of
// them any sequence is found, not words. The projection search has the same
// list.
var unspaced = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x0E00, Hi: 0x0FFF, Stride: 1}, // Thai, Lao, Tibetan
		{Lo: 0x1000, Hi: 0x109F, Stride: 1}, // Myanmar
		{Lo: 0x1100, Hi: 0x11FF, Stride: 1}, // Hangul, whose endings hang on the words
		{Lo: 0x1780, Hi: 0x17FF, Stride: 1}, // Khmer
		{Lo: 0x2600, Hi: 0x27BF, Stride: 1}, // symbols that are emoji
		{Lo: 0x2E80, Hi: 0x2FDF, Stride: 1}, // Han, kana, bopomofo, from here on
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

// tokens returns the words and runs of a text, in order. All else separates.
func tokens(text string) (all []token) {
	const (
		nothing = iota
		word
		run
	)
	kind, start, begin, place := nothing, 0, 0, 0
	end := func(at int) {
		if t := text[begin:at]; kind == run || (kind == word && strings.ContainsFunc(t, isAlphanumeric)) {
			all = append(all, token{strings.ToLower(t), start, place, kind == run})
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
			kind, start, begin = is, place, at
		}
		place++
	}
	end(len(text))
	return all
}

func isAlphanumeric(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }

// term is something that a message must have: words that follow one another,
// or a run.
type term struct {
	words  []string
	prefix bool // the last word may go on
	run    string
}

// parseTerms returns what a query asks for, all of which must be there. What is
// in quotes, and what was written without a space, has to follow one another.
// The query's last word may be the beginning of one: people search while they
// type.
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

// chunkTerms returns the terms of a text that belongs together: its words,
// between runs, follow one another.
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

// tsqueries returns the terms as two tsqueries: of the words, still to be
// brought into the form that the index has them in, and of the runs, in pairs
// of characters as they are indexed, each with an @ where the scope goes.
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

// runQuery looks for a run by every second of its pairs, and its last one.
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

package readapi

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Highlight is a range of a message's body that matches the query. Offsets count characters (Unicode code points), so
// the body can be shown as it is, without markup.
type Highlight struct {
	Start int `json:"start" doc:"The offset of the first character, from 0. Offsets count Unicode code points of the body."`
	End   int `json:"end" doc:"The offset after the last character."`
}

// Snippet is the part of a body around the first highlight.
type Snippet struct {
	Text  string `json:"text" doc:"Plain text, not markup."`
	Start int    `json:"start" doc:"The offset of its first character in the body. Subtract it from the offsets of a highlight to get offsets in the snippet."`
}

const (
	maxHighlights = 50
	snippetLength = 160 // characters
	snippetBefore = 40  // maximum number of them before the first highlight
)

// highlight returns the ranges of a body that match the terms, in order and without overlaps.
func highlight(body string, terms []term) []Highlight {
	all := tokens(body)
	found := []Highlight{}
	for i := range all {
		for _, t := range terms {
			if t.words == nil {
				found = append(found, runMatches(all[i], t.run)...)
			} else if end := t.match(all[i:]); end > 0 {
				found = append(found, Highlight{all[i].start, end})
			}
		}
	}
	slices.SortFunc(found, func(a, b Highlight) int { return a.Start - b.Start })
	merged := found[:0]
	for _, h := range found {
		if n := len(merged); n > 0 && h.Start <= merged[n-1].End {
			merged[n-1].End = max(merged[n-1].End, h.End)
		} else {
			merged = append(merged, h)
		}
	}
	return merged[:min(len(merged), maxHighlights)]
}

// match returns the offset after the term's words if the text begins with them, else 0. Of a word that matches by its
// prefix, the whole word belongs to the match.
func (t term) match(text []token) (end int) {
	at := 0
	for i, word := range t.words {
		for at < len(text) && i > 0 && text[at].run {
			at++ // the index has words and runs separately
		}
		if at == len(text) || text[at].run {
			return 0
		}
		byPrefix := t.prefix && i == len(t.words)-1
		if text[at].text != word && (!byPrefix || !strings.HasPrefix(text[at].text, word)) {
			return 0
		}
		end = text[at].end
		at++
	}
	return end
}

// runMatches returns where a token contains a run.
func runMatches(in token, run string) (matches []Highlight) {
	if !in.run {
		return nil
	}
	length := utf8.RuneCountInString(run)
	for text, start := in.text, in.start; ; {
		at := strings.Index(text, run)
		if at < 0 {
			return matches
		}
		start += utf8.RuneCountInString(text[:at])
		matches = append(matches, Highlight{start, start + length})
		text, start = text[at+len(run):], start+length
	}
}

// snippet returns the text around the first highlight.
func snippet(body string, highlights []Highlight) Snippet {
	text := []rune(body)
	start := 0
	if len(highlights) > 0 && len(text) > snippetLength {
		start = max(0, min(highlights[0].Start-snippetBefore, len(text)-snippetLength))
	}
	return Snippet{Text: string(text[start:min(len(text), start+snippetLength)]), Start: start}
}

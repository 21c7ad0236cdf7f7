package readapi

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// Highlight is a place in a message's body that the query asked for. Places
// count characters (Unicode code points), so the body can be shown as it is,
// and nothing in it is markup.
type Highlight struct {
	Start int `json:"start" doc:"The place of the first character, from 0. Places count Unicode code points of the body."`
	End   int `json:"end" doc:"The place behind the last character."`
}

// Snippet is the part of a body around the first highlight.
type Snippet struct {
	Text  string `json:"text" doc:"Plain text, not markup."`
	Start int    `json:"start" doc:"The place of its first character in the body; take it from a highlight's places to have those in the snippet."`
}

const (
	maxHighlights = 50
	snippetLength = 160 // characters
	snippetBefore = 40  // of them before the first highlight, at most
)

// highlight returns where a body has what the terms ask for, in order and
// without overlaps.
func highlight(body string, terms []term) []Highlight {
	all := tokens(body)
	found := []Highlight{}
	for i := range all {
		for _, t := range terms {
			if t.words == nil {
				found = append(found, runPlaces(all[i], t.run)...)
			} else if end := t.follows(all[i:]); end > 0 {
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

// follows returns the place behind the term's words if the text goes on with
// them, or else 0. Of a word that may go on, all of it belongs to it.
func (t term) follows(text []token) (end int) {
	at := 0
	for i, word := range t.words {
		for at < len(text) && i > 0 && text[at].run {
			at++ // the index has words and runs apart
		}
		if at == len(text) || text[at].run {
			return 0
		}
		goesOn := t.prefix && i == len(t.words)-1
		if text[at].text != word && (!goesOn || !strings.HasPrefix(text[at].text, word)) {
			return 0
		}
		end = text[at].end
		at++
	}
	return end
}

// runPlaces returns where a token has a run.
func runPlaces(in token, run string) (places []Highlight) {
	if !in.run {
		return nil
	}
	length := utf8.RuneCountInString(run)
	for text, start := in.text, in.start; ; {
		at := strings.Index(text, run)
		if at < 0 {
			return places
		}
		start += utf8.RuneCountInString(text[:at])
		places = append(places, Highlight{start, start + length})
		text, start = text[at+len(run):], start+length
	}
}

// snippet returns what is around the first highlight.
func snippet(body string, highlights []Highlight) Snippet {
	text := []rune(body)
	start := 0
	if len(highlights) > 0 && len(text) > snippetLength {
		start = max(0, min(highlights[0].Start-snippetBefore, len(text)-snippetLength))
	}
	return Snippet{Text: string(text[start:min(len(text), start+snippetLength)]), Start: start}
}

package domain

import "strings"

// maxMentions bounds the users that one message mentions; further handles are
// ordinary text.
const maxMentions = 50

// CleanHandle returns the form in which a handle is stored and compared: lower
// case. It returns ErrHandleInvalid for an invalid handle.
func CleanHandle(handle string) (string, error) {
	handle = strings.TrimPrefix(handle, "@")
	if len(handle) < minHandle || len(handle) > maxHandle || handleEnd(handle) != len(handle) || handle[0] == '_' {
		return "", ErrHandleInvalid
	}
	return strings.ToLower(handle), nil
}

// Handles returns the handles that a body names as @handle, in lower case,
// each once, in their order. An @ within a word (an e-mail address) names none.
func Handles(body string) []string {
	var handles []string
	seen := map[string]bool{}
	for at := strings.IndexByte(body, '@'); at >= 0 && len(handles) < maxMentions; {
		word := body[at+1:]
		end := handleEnd(word)
		handle, err := CleanHandle(word[:end])
		if err == nil && !inWord(body[:at]) && !seen[handle] {
			seen[handle] = true
			handles = append(handles, handle)
		}
		next := strings.IndexByte(word, '@')
		if next < 0 {
			break
		}
		at += 1 + next
	}
	return handles
}

// handleEnd returns the length of the prefix that consists of a handle's bytes.
func handleEnd(text string) int {
	for i := range len(text) {
		if !handleByte(text[i]) {
			return i
		}
	}
	return len(text)
}

func handleByte(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// inWord reports whether what follows the text continues a word.
func inWord(before string) bool {
	return before != "" && (handleByte(before[len(before)-1]) || before[len(before)-1] == '@')
}

// mentioned returns the users that are members and not the author, without
// duplicates, in their order.
func (c *Conversation) mentioned(users []ID, author ID) []ID {
	var mentioned []ID
	seen := map[ID]bool{author: true}
	for _, id := range users {
		if _, in := c.Members[id]; in && !seen[id] && !c.Erased[id] {
			seen[id] = true
			mentioned = append(mentioned, id)
		}
	}
	return mentioned
}

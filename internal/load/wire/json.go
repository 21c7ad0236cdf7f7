package wire

import "unicode/utf8"

// appendJSONString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD, as encoding/json writes them; all others are unchanged.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		switch b := s[i]; {
		case b >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		case b == '"' || b == '\\':
			dst = append(append(dst, s[from:i]...), '\\', b)
			from = i + 1
		case b < ' ':
			dst = append(append(dst, s[from:i]...), '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
			from = i + 1
		}
		i++
	}
	return append(append(dst, s[from:]...), '"')
}

package readapi

import (
	"encoding/base64"
	"strings"

	"ping/domain"
	"ping/internal/web"
)

var errCursor = &domain.Error{Kind: domain.Unprocessable, Code: "cursor_invalid", Message: "Send the unchanged next or previous of a page of the same list as the cursor."}

// encodeCursor makes an opaque cursor of the keys of a page's last item. The list's name distinguishes the cursors of
// different lists.
func encodeCursor(list string, keys ...string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(list + "\n" + strings.Join(keys, "\n")))
}

// decodeCursor returns the n keys of a cursor.
func decodeCursor(list, cursor string, n int) ([]string, error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, errCursor
	}
	parts := strings.Split(string(text), "\n")
	if len(parts) != n+1 || parts[0] != list {
		return nil, errCursor
	}
	return parts[1:], nil
}

// decodeIDCursor returns the id of the previous page's last item; the zero ID without a cursor.
func decodeIDCursor(list, cursor string) (id domain.ID, err error) {
	if cursor == "" {
		return id, nil
	}
	keys, err := decodeCursor(list, cursor, 1)
	if err != nil || id.UnmarshalText([]byte(keys[0])) != nil {
		return domain.ID{}, errCursor
	}
	return id, nil
}

// page makes a page of rows that were read with one more than the limit: the extra row shows that there is a next page.
func page[R, T any](rows []R, limit int, item func(R) T, cursor func(R) string) web.Page[T] {
	p := web.Page[T]{Items: make([]T, 0, min(len(rows), limit))}
	if len(rows) > limit {
		rows = rows[:limit]
		next := cursor(rows[limit-1])
		p.Next = &next
	}
	for _, row := range rows {
		p.Items = append(p.Items, item(row))
	}
	return p
}

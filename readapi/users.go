package readapi

import (
	"context"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"ping/domain"
	"ping/internal/checkpoint"
	"ping/internal/web"
)

const userColumns = `u.id, u.display_name, u.handle, u.bio, u.avatar_url, u.erased_at`

// userRow is what userColumns select.
type userRow struct {
	web.User
	sort string // the list's sort key, as the index has it
}

func (u *userRow) targets() []any {
	return []any{&u.ID, &u.DisplayName, &u.Handle, &u.Bio, &u.AvatarURL, &u.ErasedAt}
}

func (u *userRow) user() web.User {
	u.ErasedAt = utc(u.ErasedAt)
	return u.User
}

const getUserSQL = `SELECT ` + userColumns + ` FROM directory.users u WHERE u.id = $1`

type getUserInput struct {
	Read
	Conditional
	UserID domain.ID `path:"user_id"`
}

func (r *reads) getUser(ctx context.Context, in *getUserInput) (*tagged[web.User], error) {
	u, found, err := r.user(ctx, in.Read, in.UserID)
	if err == nil && !found {
		err = domain.ErrUserNotFound
	}
	return tag(in.IfNoneMatch, u, err)
}

type getMeInput struct {
	Read
	Conditional
}

func (r *reads) getMe(ctx context.Context, in *getMeInput) (*tagged[web.User], error) {
	u, found, err := r.user(ctx, in.Read, web.CallerFrom(ctx).UserID)
	if err == nil && !found {
		// The token proves that the caller exists; the directory lags behind.
		err = checkpoint.ErrBehind
	}
	return tag(in.IfNoneMatch, u, err)
}

func (r *reads) user(ctx context.Context, in Read, id domain.ID) (u web.User, found bool, err error) {
	if err := r.wait(ctx, in, directory); err != nil {
		return u, false, err
	}
	var row userRow
	err = r.pool.QueryRow(ctx, getUserSQL, id).Scan(row.targets()...)
	if errors.Is(err, pgx.ErrNoRows) {
		return u, false, nil
	}
	return row.user(), err == nil, err
}

// A prefix is a range of the index: U+10FFFF sorts after every other character of a name. An erased user has an empty
// name, which no prefix matches.
const (
	findByNameSQL = `
SELECT ` + userColumns + `, lower(u.display_name)
  FROM directory.users u
 WHERE lower(u.display_name) COLLATE "C" >= lower($1)
   AND lower(u.display_name) COLLATE "C" < lower($1) || U&'\+10FFFF'
   AND (lower(u.display_name) COLLATE "C", u.id) > ($2, $3)
 ORDER BY lower(u.display_name) COLLATE "C", u.id
 LIMIT $4`

	findByHandleSQL = `
SELECT ` + userColumns + `, u.handle
  FROM directory.users u
 WHERE u.handle COLLATE "C" >= lower($1)
   AND u.handle COLLATE "C" < lower($1) || U&'\+10FFFF'
   AND (u.handle COLLATE "C", u.id) > ($2, $3)
 ORDER BY u.handle COLLATE "C", u.id
 LIMIT $4`
)

type findUsersInput struct {
	Read
	Limit
	Query  string `query:"query" required:"true" minLength:"1" maxLength:"100" doc:"The beginning of the display name, in any case; after an @, that of the handle." example:"ad"`
	Cursor string `query:"cursor" doc:"The next of the previous page."`
}

var errQuery = &domain.Error{Kind: domain.Unprocessable, Code: "validation", Message: "query is Unicode text without NUL characters."}

func (r *reads) findUsers(ctx context.Context, in *findUsersInput) (*output[web.Page[web.User]], error) {
	if !storable(in.Query) {
		return nil, errQuery
	}
	list, sql, prefix := "users", findByNameSQL, in.Query
	if handle, ok := strings.CutPrefix(in.Query, "@"); ok {
		list, sql, prefix = "handles", findByHandleSQL, handle
	}
	var name string
	var id domain.ID
	if in.Cursor != "" {
		keys, err := decodeCursor(list, in.Cursor, 2)
		if err != nil || id.UnmarshalText([]byte(keys[1])) != nil || !storable(keys[0]) {
			return nil, errCursor
		}
		name = keys[0]
	}
	if err := r.wait(ctx, in.Read, directory); err != nil {
		return nil, err
	}
	found, _ := r.pool.Query(ctx, sql, prefix, name, id, in.Limit.Limit+1)
	rows, err := pgx.CollectRows(found, func(row pgx.CollectableRow) (u userRow, err error) {
		return u, row.Scan(append(u.targets(), &u.sort)...)
	})
	return answer(page(rows, in.Limit.Limit, func(u userRow) web.User { return u.user() },
		func(u userRow) string { return encodeCursor(list, u.sort, u.ID.String()) }), err)
}

// storable reports whether Postgres accepts s as text.
func storable(s string) bool { return utf8.ValidString(s) && !strings.Contains(s, "\x00") }

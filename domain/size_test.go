package domain_test

import (
	"encoding/binary"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"ping/domain"
)

func TestSize(t *testing.T) {
	t.Run("is about what a group of many takes", func(t *testing.T) {
		heap := func() float64 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			return float64(m.HeapAlloc)
		}
		for _, members := range []int{0, 10, 100, 1000, 10_000} {
			all := make([]*domain.Conversation, 100_000/(members+10))
			before := heap()
			for i := range all {
				all[i] = domain.NewConversation()
				for member := range members {
					var id domain.ID
					binary.BigEndian.PutUint64(id[:], uint64(member))
					all[i].Evolve(domain.MemberAdded{UserID: id, Role: domain.RoleMember})
				}
			}
			taken := (heap() - before) / float64(len(all))
			said := float64(all[0].Size())
			require.Less(t, taken/said, 1.5, "%d members take %.0f bytes", members, taken)
			require.Greater(t, taken/said, 0.5, "%d members take %.0f bytes", members, taken)
			t.Logf("%d members: %.0f bytes, said to be %.0f", members, taken, said)
			runtime.KeepAlive(all)
		}
	})

	// What a state gains must not be forgotten in its Size.
	t.Run("counts every field that grows", func(t *testing.T) {
		checkFields(t, func() *domain.Conversation { return domain.NewConversation() }, (*domain.Conversation).Size)
		checkFields(t, func() *domain.User { return domain.NewUser() }, (*domain.User).Size)
	})
}

// checkFields lets each exported field of a state grow and looks at the size.
func checkFields[S any](t *testing.T, fresh func() *S, size func(*S) int) {
	t.Helper()
	for _, f := range reflect.VisibleFields(reflect.TypeFor[S]()) {
		grown := fresh()
		value := reflect.ValueOf(grown).Elem().FieldByIndex(f.Index)
		const n = 1000
		least := n
		switch kind := f.Type.Kind(); {
		case kind == reflect.Bool || kind == reflect.Int || kind == reflect.Int64 || f.Type == reflect.TypeFor[domain.ID]():
			continue // does not grow
		case kind == reflect.Struct && f.Anonymous:
			continue // its fields are visited
		case !f.IsExported():
			require.Fail(t, "a field that grows is exported, to be tested here", f.Name)
		case kind == reflect.String:
			value.SetString(strings.Repeat("x", n))
		case kind == reflect.Map:
			value.Set(reflect.MakeMap(f.Type))
			for i := range n {
				key := reflect.New(f.Type.Key()).Elem()
				binary.BigEndian.PutUint64(key.Slice(0, 8).Bytes(), uint64(i))
				value.SetMapIndex(key, reflect.Zero(f.Type.Elem()))
			}
			least = n * int(f.Type.Key().Size()+f.Type.Elem().Size())
		default:
			require.Fail(t, "say how a field of this type grows", "%s %s", f.Name, f.Type)
		}
		require.GreaterOrEqual(t, size(grown)-size(fresh()), least, "%T.%s", grown, f.Name)
	}
}

package scenario

import (
	"encoding/json"
	"fmt"

	"ping/domain"
)

var someID = domain.DerivedID([]byte("message"))

// frameWith is an event's frame in the layout that servers write.
func frameWith(partition int, position int64, conversation domain.ID, seq int64, name string, id domain.ID, fields map[string]any) []byte {
	data, _ := json.Marshal(fields) // strings and ids are always encoded
	return fmt.Appendf(nil, `{"type":"event","at":"%d:%d","conversation_id":"%s","seq":%d,"event":"%s","id":"%s","actor_id":"%s","recorded_at":"2026-01-02T03:04:05.123456Z","data":%s}`,
		partition, position, conversation, seq, name, id, someID, data)
}

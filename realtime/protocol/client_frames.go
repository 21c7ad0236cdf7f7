package protocol

import "ping/domain"

// The frames of a client, one struct per type, for the contract. The server
// reads all of them as a ClientFrame, which has the fields of all types.
type (
	ClientResume struct {
		Type  string   `json:"type" enum:"resume"`
		ID    string   `json:"id,omitempty" maxLength:"64" example:"1" doc:"Chosen by the client and echoed in re of the answer."`
		At    []string `json:"at,omitempty" doc:"The last position that the client received of each partition. Partitions that are left out start at 0. Empty: begin now."`
		Epoch int      `json:"epoch,omitempty" minimum:"0" example:"1" doc:"The epoch of the hello after which the positions were received; 0: unknown."`
	}
	ClientRefresh struct {
		Type        string `json:"type" enum:"refresh"`
		ID          string `json:"id,omitempty" maxLength:"64" example:"2" doc:"Chosen by the client and echoed in re of the answer."`
		AccessToken string `json:"access_token" example:"eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmVk" doc:"A newer access token of the same user."`
	}
	ClientPing struct {
		Type string `json:"type" enum:"ping"`
		ID   string `json:"id,omitempty" maxLength:"64" example:"3" doc:"Chosen by the client and echoed in re of the answer."`
	}
	ClientTyping struct {
		Type           string    `json:"type" enum:"typing"`
		ID             string    `json:"id,omitempty" maxLength:"64" example:"4" doc:"Chosen by the client and echoed in re of the answer."`
		ConversationID domain.ID `json:"conversation_id"`
		On             bool      `json:"on" doc:"Whether the user is writing. Repeat it twice within limits.typing_expiry_ms while they are."`
	}
	ClientPresence struct {
		Type  string `json:"type" enum:"presence"`
		ID    string `json:"id,omitempty" maxLength:"64" example:"5" doc:"Chosen by the client and echoed in re of the answer."`
		State string `json:"state" enum:"online,away,offline" doc:"The state of this device, which begins online; offline: appear offline."`
	}
)

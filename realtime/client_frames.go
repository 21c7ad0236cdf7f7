package realtime

import "ping/domain"

// The frames of a client, one by one, as the contract tells them. They are
// read as a clientFrame, which has the fields of all.
type (
	clientResume struct {
		Type  string   `json:"type" enum:"resume"`
		ID    string   `json:"id,omitempty" maxLength:"64" example:"1" doc:"The client's own, for re of what answers."`
		At    []string `json:"at,omitempty" doc:"The last position of each partition that the client was given; partitions that are left out stand at 0. Empty: begin here."`
		Epoch int      `json:"epoch,omitempty" minimum:"0" example:"1" doc:"That of the hello in which the positions were given; 0: not known."`
	}
	clientRefresh struct {
		Type        string `json:"type" enum:"refresh"`
		ID          string `json:"id,omitempty" maxLength:"64" example:"2" doc:"The client's own, for re of what answers."`
		AccessToken string `json:"access_token" example:"eyJhbGciOiJIUzI1NiJ9.e30.c2lnbmVk" doc:"A newer one of the same user."`
	}
	clientPing struct {
		Type string `json:"type" enum:"ping"`
		ID   string `json:"id,omitempty" maxLength:"64" example:"3" doc:"The client's own, for re of what answers."`
	}
	clientTyping struct {
		Type           string    `json:"type" enum:"typing"`
		ID             string    `json:"id,omitempty" maxLength:"64" example:"4" doc:"The client's own, for re of what answers."`
		ConversationID domain.ID `json:"conversation_id"`
		On             bool      `json:"on" doc:"Whether the user is writing; repeat it twice within limits.typing_expiry_ms while he is."`
	}
	clientPresence struct {
		Type  string `json:"type" enum:"presence"`
		ID    string `json:"id,omitempty" maxLength:"64" example:"5" doc:"The client's own, for re of what answers."`
		State string `json:"state" enum:"online,away,offline" doc:"Of this device, which begins online; offline: appear so."`
	}
)

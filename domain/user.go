package domain

// UserRegistered begins a user's stream. The e-mail address and the password
// hash are not here: secrets never enter the log.
type UserRegistered struct {
	DisplayName string `json:"display_name"`
}

func (UserRegistered) Type() string   { return "user.registered" }
func (UserRegistered) Decisive() bool { return true }

// User is what deciding about a user needs.
type User struct {
	Registered  bool
	DisplayName string
}

// NewUser is the state of a user's stream without events.
func NewUser() *User { return &User{} }

// Evolve applies an event. It decides nothing and cannot fail.
func (u *User) Evolve(e Event) {
	if e, ok := e.(UserRegistered); ok {
		u.Registered, u.DisplayName = true, e.DisplayName
	}
}

// RegisterUser asks for a new user.
type RegisterUser struct {
	DisplayName string
}

// Check holds the rules that need no state, so that a caller can refuse
// before it stores anything.
func (cmd RegisterUser) Check() error {
	_, err := cleanName(cmd.DisplayName)
	return err
}

// Register decides RegisterUser. A user who is there already stays as he is.
func (u *User) Register(cmd RegisterUser) ([]Event, error) {
	if u.Registered {
		return nil, nil
	}
	name, err := cleanName(cmd.DisplayName)
	if err != nil {
		return nil, err
	}
	return []Event{UserRegistered{DisplayName: name}}, nil
}

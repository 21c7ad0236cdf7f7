package domain

// UserRegistered starts a user's stream. The e-mail address and the password
// hash are not here: secrets never enter the log.
type UserRegistered struct {
	DisplayName string `json:"display_name"`
}

func (UserRegistered) Type() string   { return "user.registered" }
func (UserRegistered) Decisive() bool { return true }

// ProfileChanged says what changed in a user's profile. An absent field is
// unchanged; an empty text removes it.
type ProfileChanged struct {
	DisplayName *string `json:"display_name,omitempty"`
	Handle      *string `json:"handle,omitempty"`
	Bio         *string `json:"bio,omitempty"`
	AvatarURL   *string `json:"avatar_url,omitempty"`
}

func (ProfileChanged) Type() string   { return "user.profile_changed" }
func (ProfileChanged) Decisive() bool { return true }

// UserBlocked says that the user blocks another user.
type UserBlocked struct {
	UserID ID `json:"user_id"`
}

func (UserBlocked) Type() string   { return "user.blocked" }
func (UserBlocked) Decisive() bool { return true }

// UserUnblocked says that the user no longer blocks another user.
type UserUnblocked struct {
	UserID ID `json:"user_id"`
}

func (UserUnblocked) Type() string   { return "user.unblocked" }
func (UserUnblocked) Decisive() bool { return true }

// UserErased says that the user was erased: their data in the stream is
// overwritten, and no event follows.
type UserErased struct{}

func (UserErased) Type() string   { return "user.erased" }
func (UserErased) Decisive() bool { return true }

// User is the state for decisions about a user.
type User struct {
	Registered bool
	Erased     bool
	Profile
	Blocked map[ID]bool
}

// Profile is what others see of a user. An empty text means none.
type Profile struct {
	DisplayName string
	Handle      string
	Bio         string
	AvatarURL   string
}

// NewUser is the state of a user's stream without events.
func NewUser() *User { return &User{Blocked: map[ID]bool{}} }

// Evolve applies an event. It decides nothing and cannot fail.
func (u *User) Evolve(e Event) {
	switch e := e.(type) {
	case UserRegistered:
		u.Registered, u.DisplayName = true, e.DisplayName
	case ProfileChanged:
		u.DisplayName, u.Handle = or(e.DisplayName, u.DisplayName), or(e.Handle, u.Handle)
		u.Bio, u.AvatarURL = or(e.Bio, u.Bio), or(e.AvatarURL, u.AvatarURL)
	case UserBlocked:
		u.Blocked[e.UserID] = true
	case UserUnblocked:
		delete(u.Blocked, e.UserID)
	case UserErased:
		u.Erased, u.Profile, u.Blocked = true, Profile{}, map[ID]bool{}
	}
}

// RegisterUser asks for a new user.
type RegisterUser struct {
	DisplayName string
}

// Check applies the rules that need no state, so that a caller can refuse before
// it stores anything.
func (cmd RegisterUser) Check() error {
	_, err := cleanName(cmd.DisplayName)
	return err
}

// Register decides RegisterUser. A registered user is unchanged.
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

// ChangeProfile asks for another profile; nil keeps a field. The caller has
// verified that no other user has the handle.
type ChangeProfile struct {
	DisplayName *string
	Handle      *string
	Bio         *string
	AvatarURL   *string
}

// Clean returns the command with its texts as they are stored, or an error for an
// invalid text.
func (cmd ChangeProfile) Clean() (ChangeProfile, error) {
	var err error
	clean := func(text *string, how func(string) (string, error)) *string {
		if text == nil || err != nil {
			return text
		}
		var cleaned string
		cleaned, err = how(*text)
		return &cleaned
	}
	cmd.DisplayName = clean(cmd.DisplayName, cleanName)
	cmd.Handle = clean(cmd.Handle, func(handle string) (string, error) {
		if handle == "" {
			return "", nil
		}
		return CleanHandle(handle)
	})
	cmd.Bio = clean(cmd.Bio, func(bio string) (string, error) { return cleanText(bio, maxBio, ErrBioInvalid) })
	cmd.AvatarURL = clean(cmd.AvatarURL, func(address string) (string, error) { return address, checkAvatar(address) })
	return cmd, err
}

// ChangeProfile decides the command of that name.
func (u *User) ChangeProfile(cmd ChangeProfile) ([]Event, error) {
	if err := u.active(); err != nil {
		return nil, err
	}
	cmd, err := cmd.Clean()
	if err != nil {
		return nil, err
	}
	differs := func(wanted *string, now string) *string {
		if wanted == nil {
			return nil
		}
		return changed(*wanted, now)
	}
	event := ProfileChanged{
		DisplayName: differs(cmd.DisplayName, u.DisplayName), Handle: differs(cmd.Handle, u.Handle),
		Bio: differs(cmd.Bio, u.Bio), AvatarURL: differs(cmd.AvatarURL, u.AvatarURL),
	}
	if event == (ProfileChanged{}) {
		return nil, nil
	}
	return []Event{event}, nil
}

// BlockUser asks to block or unblock a user. If On, the caller has verified that
// UserID is a user.
type BlockUser struct {
	Actor  ID
	UserID ID
	On     bool
}

// Block decides BlockUser.
func (u *User) Block(cmd BlockUser) ([]Event, error) {
	if err := u.active(); err != nil {
		return nil, err
	}
	switch {
	case cmd.UserID == cmd.Actor:
		return nil, ErrBlockSelf
	case u.Blocked[cmd.UserID] == cmd.On:
		return nil, nil
	case !cmd.On:
		return []Event{UserUnblocked{UserID: cmd.UserID}}, nil
	case len(u.Blocked) >= maxBlocked:
		return nil, ErrTooManyBlocked
	}
	return []Event{UserBlocked{UserID: cmd.UserID}}, nil
}

// maxBlocked bounds the blocks of a user, and so the size of the state.
const maxBlocked = 1000

// Erase decides to erase the user; repeating it has no effect.
func (u *User) Erase() ([]Event, error) {
	if !u.Registered || u.Erased {
		return nil, nil
	}
	return []Event{UserErased{}}, nil
}

// active refuses for an unregistered or erased user.
func (u *User) active() error {
	if !u.Registered || u.Erased {
		return ErrUserNotFound
	}
	return nil
}

package domain

// UserRegistered begins a user's stream. The e-mail address and the password
// hash are not here: secrets never enter the log.
type UserRegistered struct {
	DisplayName string `json:"display_name"`
}

func (UserRegistered) Type() string   { return "user.registered" }
func (UserRegistered) Decisive() bool { return true }

// ProfileChanged says what is new in a user's profile; what is absent stays as
// it was, an empty text is none.
type ProfileChanged struct {
	DisplayName *string `json:"display_name,omitempty"`
	Handle      *string `json:"handle,omitempty"`
	Bio         *string `json:"bio,omitempty"`
	AvatarURL   *string `json:"avatar_url,omitempty"`
}

func (ProfileChanged) Type() string   { return "user.profile_changed" }
func (ProfileChanged) Decisive() bool { return true }

// UserBlocked says that the user wants to hear nothing from another.
type UserBlocked struct {
	UserID ID `json:"user_id"`
}

func (UserBlocked) Type() string   { return "user.blocked" }
func (UserBlocked) Decisive() bool { return true }

// UserUnblocked takes a UserBlocked back.
type UserUnblocked struct {
	UserID ID `json:"user_id"`
}

func (UserUnblocked) Type() string   { return "user.unblocked" }
func (UserUnblocked) Decisive() bool { return true }

// UserErased says that the person is gone: what the stream held of him is
// overwritten, and nothing follows.
type UserErased struct{}

func (UserErased) Type() string   { return "user.erased" }
func (UserErased) Decisive() bool { return true }

// User is what deciding about a user needs.
type User struct {
	Registered bool
	Erased     bool
	Profile
	Blocked map[ID]bool
}

// Profile is what others see of a user. Empty texts are none.
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

// ChangeProfile asks for another profile; nil leaves what is there. The caller
// has made sure that the handle is nobody else's.
type ChangeProfile struct {
	DisplayName *string
	Handle      *string
	Bio         *string
	AvatarURL   *string
}

// Clean returns the command with its texts as they are stored, or why one of
// them cannot be.
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

// BlockUser asks to hear nothing from another, or again to. The caller has made
// sure that UserID is a user when On.
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

// maxBlocked bounds whom a user blocks, and so his state.
const maxBlocked = 1000

// Erase decides to erase the person; it is done once.
func (u *User) Erase() ([]Event, error) {
	if !u.Registered || u.Erased {
		return nil, nil
	}
	return []Event{UserErased{}}, nil
}

// active refuses for who is no user, or not any more.
func (u *User) active() error {
	if !u.Registered || u.Erased {
		return ErrUserNotFound
	}
	return nil
}

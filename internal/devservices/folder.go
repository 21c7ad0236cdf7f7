package devservices

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// folderVersion is raised when an older Ping could not use the folder any more.
const folderVersion = 1

// Folder is a data folder that this process alone uses.
type Folder struct {
	path string
	lock *os.File
}

// OpenFolder opens the data folder at path, made when it isn't there, and locks
// it until Close. It fails when another process holds it, and when a newer
// version of Ping has written to it.
func OpenFolder(path string) (*Folder, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	// Others may pass, not list: Postgres may run as another user. What is
	// secret below has a mode of its own.
	if err := makeFolder(path, 0o711); err != nil {
		return nil, fmt.Errorf("open data folder: %w", err)
	}
	lock, err := lockFile(filepath.Join(path, "lock"))
	if err != nil {
		return nil, fmt.Errorf("open data folder %s: %w", path, err)
	}
	f := &Folder{path: path, lock: lock}
	if err := f.checkVersion(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// lockFile takes the lock that the kernel gives back when this process ends,
// however it ends. The file tells others who has it.
func lockFile(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer file.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, err
		}
		holder, _ := os.ReadFile(path)
		return nil, fmt.Errorf("process %s uses it already: end that one first, or choose another folder", strings.TrimSpace(string(holder)))
	}
	if err := file.Truncate(0); err != nil {
		file.Close()
		return nil, err
	}
	if _, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

func (f *Folder) checkVersion() error {
	file := f.Path("version")
	content, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return os.WriteFile(file, []byte(strconv.Itoa(folderVersion)+"\n"), 0o644)
	}
	if err != nil {
		return fmt.Errorf("read the version of the data folder: %w", err)
	}
	version, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return fmt.Errorf("%s does not hold the version of a data folder", file)
	}
	if version > folderVersion {
		return fmt.Errorf("data folder %s was written by a newer Ping (folder version %d, this one knows up to %d): use that one, or another folder",
			f.path, version, folderVersion)
	}
	return nil
}

// Path returns the path of what has these names below the folder.
func (f *Folder) Path(names ...string) string {
	return filepath.Join(append([]string{f.path}, names...)...)
}

// Secret returns the secret of that name, 64 hexadecimal digits, made the first
// time it is asked for and readable only by this user.
func (f *Folder) Secret(name string) (string, error) {
	return keptSecret(f.Path(name))
}

// Close gives the folder back.
func (f *Folder) Close() error { return f.lock.Close() }

// keptSecret returns the secret in the file, which is made when it isn't there.
func keptSecret(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(content)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read secret: %w", err)
	}
	secret := newSecret()
	if err := WriteFile(path, []byte(secret+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keep secret: %w", err)
	}
	return secret, nil
}

func newSecret() string {
	var random [32]byte
	_, _ = rand.Read(random[:]) // never fails
	return hex.EncodeToString(random[:])
}

// WriteFile writes a file that is there whole or not at all, whenever this
// process is killed.
func WriteFile(path string, content []byte, mode os.FileMode) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // after the rename there is none
	_, err = file.Write(content)
	err = errors.Join(err, file.Chmod(mode), file.Sync(), file.Close())
	if err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}

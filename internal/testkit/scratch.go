package testkit

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"ping/internal/devservices"
	logsql "ping/internal/eventlog/sql"
	"ping/migrations"
)

// templateDatabase is the database that each test's is a copy of.
const templateDatabase = devservices.PostgresDatabase

// scratch is the folder of one test binary and the parts that run in it, each
// started when it is first asked for.
//
// All test binaries of a user share a parent folder. It keeps a Postgres folder
// that is initialised and migrated, of which each binary takes a copy: that is
// five times as fast as making one, and `go test ./...` runs many binaries.
type scratch struct {
	mu     sync.Mutex
	folder string
	lock   *os.File // held while the folder is in use
	pg     *devservices.Postgres
	rd     *devservices.Redis
	failed error // why an engine did not start; later tests fail with it at once
}

func (s *scratch) postgres() (*devservices.Postgres, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pg == nil && s.failed == nil {
		s.pg, s.failed = s.startPostgres()
	}
	return s.pg, s.failed
}

func (s *scratch) startPostgres() (*devservices.Postgres, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	folder := filepath.Join(s.folder, "postgres")
	if err := copyTemplate(filepath.Dir(s.folder), folder); err != nil {
		return nil, err
	}
	return devservices.StartPostgres(context.Background(), folder, devservices.PostgresConfig{Scratch: true})
}

func (s *scratch) redis() (*devservices.Redis, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.rd == nil && s.failed == nil {
		s.rd, s.failed = s.startRedis()
	}
	return s.rd, s.failed
}

func (s *scratch) startRedis() (*devservices.Redis, error) {
	if err := s.open(); err != nil {
		return nil, err
	}
	return devservices.StartRedis(context.Background(), filepath.Join(s.folder, "redis"))
}

// open makes the folder, unless it is there, and removes those of test binaries
// that were killed.
func (s *scratch) open() error {
	if s.folder != "" {
		return nil
	}
	parent, err := parentFolder()
	if err != nil {
		return err
	}
	unlock, err := lockFolder(parent)
	if err != nil {
		return err
	}
	defer unlock()
	abandoned, err := filepath.Glob(filepath.Join(parent, "run-*"))
	if err != nil {
		return err
	}
	for _, folder := range abandoned {
		if lock, err := flock(filepath.Join(folder, "lock"), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
			lock.Close()
			_ = os.RemoveAll(folder) // its Postgres may be ending still; the next run tries again
		}
	}
	if s.folder, err = os.MkdirTemp(parent, "run-"); err != nil {
		return err
	}
	if err := os.Chmod(s.folder, 0o711); err != nil { // Postgres may run as another user
		return err
	}
	s.lock, err = flock(filepath.Join(s.folder, "lock"), syscall.LOCK_EX)
	return err
}

// close ends the parts and removes the folder.
func (s *scratch) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	if s.pg != nil {
		errs = append(errs, s.pg.Stop())
	}
	if s.rd != nil {
		errs = append(errs, s.rd.Stop())
	}
	if s.folder != "" {
		errs = append(errs, os.RemoveAll(s.folder), s.lock.Close())
	}
	return errors.Join(errs...)
}

// parentFolder returns the folder that this user's test binaries share. Its name
// can be guessed, so one that another user has put there is refused.
func parentFolder() (string, error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("ping-test-%d", os.Geteuid()))
	if err := os.Mkdir(path, 0o711); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(path)
	if err != nil {
		return "", err
	}
	if stat := info.Sys().(*syscall.Stat_t); !info.IsDir() || int(stat.Uid) != os.Geteuid() {
		return "", fmt.Errorf("%s is not a folder of this user's: remove it", path)
	}
	return path, os.Chmod(path, 0o711)
}

// copyTemplate copies a Postgres folder that is initialised and migrated to
// folder. The first to come makes it, while the others wait.
func copyTemplate(parent, folder string) error {
	unlock, err := lockFolder(parent)
	if err != nil {
		return err
	}
	defer unlock()
	key, err := templateKey()
	if err != nil {
		return err
	}
	template := filepath.Join(parent, "template-"+key)
	if _, err := os.Stat(template); errors.Is(err, fs.ErrNotExist) {
		if err := makeTemplate(parent, template); err != nil {
			return err
		}
	}
	// cp keeps owners and modes, and is quicker than a copy in Go.
	if out, err := exec.Command("cp", "-Rp", template, folder).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", template, err, out)
	}
	return nil
}

// templateKey changes with all that a template is made from.
func templateKey() (string, error) {
	major, err := devservices.PostgresMajor()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	fmt.Fprintln(hash, "layout 1, postgres", major)
	for _, files := range []fs.FS{migrations.FS, logsql.Functions} {
		err = errors.Join(err, fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := fs.ReadFile(files, path)
			fmt.Fprintln(hash, path, len(content))
			hash.Write(content)
			return err
		}))
	}
	return fmt.Sprintf("%x", hash.Sum(nil)[:8]), err
}

// makeTemplate makes a new template and removes the old ones.
func makeTemplate(parent, template string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), "template-") {
			if err := os.RemoveAll(filepath.Join(parent, entry.Name())); err != nil {
				return err
			}
		}
	}
	half := template + ".new"
	ctx := context.Background()
	postgres, err := devservices.StartPostgres(ctx, half, devservices.PostgresConfig{Scratch: true})
	if err != nil {
		return err
	}
	_, err = migrations.Up(ctx, postgres.URL(templateDatabase))
	if err := errors.Join(err, postgres.Stop()); err != nil {
		return err
	}
	return os.Rename(half, template)
}

// lockFolder takes the lock of the folder that the test binaries share, and
// waits for it.
func lockFolder(parent string) (unlock func(), err error) {
	lock, err := flock(filepath.Join(parent, "lock"), syscall.LOCK_EX)
	if err != nil {
		return nil, err
	}
	return func() { lock.Close() }, nil
}

// flock opens the file and takes its lock, which goes when it is closed, also by
// the end of this process.
func flock(path string, how int) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(file.Fd()), how)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			file.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
	}
}

// Package program helps to run a database server that a distribution's package installs, for a test.
package program

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"testing"
)

// Missing skips the test because of err, or fails it with CI=true.
func Missing(tb testing.TB, err error) {
	tb.Helper()
	if os.Getenv("CI") == "true" {
		tb.Fatal(err)
	}
	tb.Skip(err)
}

// Dir creates a folder for a server, which is removed when the test ends, and returns what a process of the server
// needs: servers refuse to run as root, and then run as the given user, or nobody, to whom the folder belongs.
//
// A folder of the test itself would be closed to other users, and its name too long for a socket.
func Dir(tb testing.TB, name, owner string) (string, *syscall.SysProcAttr) {
	tb.Helper()
	cred, err := credential(owner)
	if err != nil {
		tb.Fatal(err)
	}
	dir, err := os.MkdirTemp("", name) //nolint:usetesting // see above
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(dir) })
	if cred != nil {
		if err := os.Chown(dir, int(cred.Uid), int(cred.Gid)); err != nil {
			tb.Fatal(err)
		}
	}
	return dir, &syscall.SysProcAttr{Credential: cred}
}

// credential returns whom a server runs as; nil means the user that runs the test.
func credential(owner string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil //nolint:nilnil // no credential and no error: the process's own user will do
	}
	u, err := user.Lookup(owner)
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", u.Username, err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user %s: %w", u.Username, err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

package reindextest

import (
	"errors"
	"strings"
	"testing"
)

// AssertPublic checks that err has a public message (see [reindex.Public]) that begins with want and contains none of
// the secrets.
func AssertPublic(tb testing.TB, err error, want string, secrets ...string) {
	tb.Helper()
	public, ok := errors.AsType[interface {
		error
		PublicMessage() string
	}](err)
	if !ok {
		tb.Errorf("the error %v has no public message, want %q", err, want)
		return
	}
	text := public.PublicMessage()
	if !strings.HasPrefix(text, want) {
		tb.Errorf("the public message of %v is\n%s\nwant\n%s", err, text, want)
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			tb.Errorf("the public message %q has the secret %s", text, secret)
		}
	}
}

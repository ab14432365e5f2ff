package bleveindex

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"regexp"
	"strings"
	"time"

	"productindex/reindex"
)

const (
	plainPrefix   = "t-"
	encodedPrefix = "x-"
)

// base32Lower uses only lower-case letters and digits, which every file system preserves.
var base32Lower = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// tenantDir returns the name of a tenant's directory. Different tenants have different names, even on a file system
// that ignores case or normalizes Unicode. No name has a special meaning on any system, and the longest has 207 bytes.
func tenantDir(tenant string) string {
	if strings.IndexFunc(tenant, notPlain) < 0 {
		return plainPrefix + tenant
	}
	return encodedPrefix + base32Lower.EncodeToString([]byte(tenant))
}

// tenantOf returns the tenant whose directory has this name. It reports false if there is none.
func tenantOf(name string) (tenant string, ok bool) {
	tenant, plain := strings.CutPrefix(name, plainPrefix)
	if !plain {
		encoded, found := strings.CutPrefix(name, encodedPrefix)
		decoded, err := base32Lower.DecodeString(encoded)
		if !found || err != nil {
			return "", false
		}
		tenant = string(decoded)
	}
	if reindex.CheckTenant(tenant) != nil || tenantDir(tenant) != name {
		return "", false
	}
	return tenant, true
}

func notPlain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// generationName matches the name of a generation's directory: the time of Begin in UTC, and 64 random bits.
var generationName = regexp.MustCompile(`^g-\d{8}T\d{6}\.\d{9}Z-[0-9a-f]{16}$`)

// bornAt returns the time of Begin in the name of a generation.
func bornAt(generation string) time.Time {
	_, rest, _ := strings.Cut(generation, "-")
	born, _, _ := strings.Cut(rest, "-")
	at, _ := time.Parse("20060102T150405.000000000Z", born)
	return at
}

// newGenerationName returns a new, unique name, which sorts after those returned earlier.
func newGenerationName() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	return fmt.Sprintf("g-%s-%x", time.Now().UTC().Format("20060102T150405.000000000Z"), random)
}

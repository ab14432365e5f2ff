package meiliindex

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// stagingName is what the uid of an index beside the live one says: the prefix, a hyphen, this, a hyphen, and the
// tenant. A live index's uid has no hyphen after the prefix, so that the two cannot be mixed up, whatever the tenants
// are called.
type stagingName struct {
	instance string // 12 hex digits: of which Index it is
	token    int64  // of the run; noToken if it has none
	number   uint32 // counts the generations of the Index from 1; 0 is a mark
}

const (
	noToken = -1
	nobody  = "000000000000" // the instance of the mark of a generation that went live
)

// markName is the name of a mark: an empty index that keeps the greatest fencing token that a generation of the tenant
// was begun with.
func markName(instance string, token int64) stagingName { return stagingName{instance, token, 0} }

func (n stagingName) isMark() bool { return n.number == 0 }

// isOlder reports whether the run with that token has taken over from the one of this name.
func (n stagingName) isOlder(token int64) bool {
	return n.token != noToken && token != noToken && n.token < token
}

var stagingPattern = regexp.MustCompile(`^([0-9a-f]{12})-([0-9a-f]{16})-([0-9a-f]{8})$`)

func (ix *Index) stagingUID(tenant string, n stagingName) string {
	token := uint64(n.token) //nolint:gosec // -1 is all ones
	return fmt.Sprintf("%s-%s-%016x-%08x-%s", ix.cfg.Prefix, n.instance, token, n.number, encodeName(tenant))
}

// parseStaging reads the uid of an index of the tenant beside the live one.
func (ix *Index) parseStaging(tenant, uid string) (n stagingName, ok bool) {
	rest, begins := strings.CutPrefix(uid, ix.cfg.Prefix+"-")
	rest, ends := strings.CutSuffix(rest, "-"+encodeName(tenant))
	parts := stagingPattern.FindStringSubmatch(rest)
	if !begins || !ends || parts == nil {
		return stagingName{}, false
	}
	token, err := strconv.ParseUint(parts[2], 16, 64)
	if err != nil {
		return stagingName{}, false
	}
	number, err := strconv.ParseUint(parts[3], 16, 32)
	if err != nil {
		return stagingName{}, false
	}
	return stagingName{parts[1], int64(token), uint32(number)}, true //nolint:gosec // all ones are -1
}

// LiveUID returns the uid of the index that searches of the tenant use: Config.Prefix and the tenant, which is written
// as [Key] writes an id. There is no such index before the tenant's first reindex.
func (ix *Index) LiveUID(tenant string) string { return ix.cfg.Prefix + encodeName(tenant) }

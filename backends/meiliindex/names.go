package meiliindex

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stagingName is what the uid of an index beside the live one says: the prefix, a hyphen, this, a hyphen, and the
// tenant. A live index's uid has no hyphen after the prefix, so that the two cannot be mixed up, whatever the tenants
// are called.
type stagingName struct {
	instance string // 12 hex digits: of which Index it is
	token    int64  // of the run; noToken if it has none
	number   uint32 // counts the generations of the Index from 1; 0, or markBit and a number, is a mark

	// stamps are of the two indexes that may have the name, if the live index is to be kept: the one that is to go live,
	// and the live one, which gets this name by the swap. None before.
	stamps [2]stamp
}

// stamp describes an index, which is known by when it was created: that does not change with its name.
type stamp struct {
	created   int64 // in nanoseconds since 1970; 0: no index
	replaced  int64 // likewise, when another index took its place; 0: it was never live
	documents int64 // that it held then; -1: not known, or edited since
}

const (
	noToken = -1
	nobody  = "000000000000" // the instance of the mark of a generation that went live
	markBit = 1 << 31
	// closedBit marks the number of an index into which nobody else can write any more.
	closedBit = 1 << 30
)

// markName is the name of a mark: an empty index that keeps the greatest fencing token that a generation of the tenant
// was begun with. If the generation gets another name, its mark gets one with another number.
func markName(instance string, token int64, number uint32) stagingName {
	if number > 0 {
		number |= markBit
	}
	return stagingName{instance: instance, token: token, number: number}
}

func (n stagingName) isMark() bool { return n.number == 0 || n.number&markBit != 0 }

// isOlder reports whether the run with that token has taken over from the one of this name.
func (n stagingName) isOlder(token int64) bool {
	return n.token != noToken && token != noToken && n.token < token
}

// base is the name without what changes from a generation's begin to its end.
func (n stagingName) base() stagingName {
	n.stamps = [2]stamp{}
	n.number &^= closedBit
	return n
}

func (n stagingName) isClosed() bool { return n.number&closedBit != 0 }

const stampPattern = `([0-9a-z]+)_([0-9a-z]+)_([0-9a-z]*)`

var stagingPattern = regexp.MustCompile(`^([0-9a-f]{12})-([0-9a-f]{16})-([0-9a-f]{8})` +
	`(?:--` + stampPattern + `-` + stampPattern + `)?$`)

const stampBase = 36

func (s stamp) String() string {
	documents := ""
	if s.documents >= 0 {
		documents = strconv.FormatInt(s.documents, stampBase)
	}
	return strconv.FormatInt(s.created, stampBase) + "_" + strconv.FormatInt(s.replaced, stampBase) + "_" + documents
}

// parseStamp reads the parts of a stamp that match stampPattern.
func parseStamp(created, replaced, documents string) (s stamp, err error) {
	s.documents = -1
	if s.created, err = strconv.ParseInt(created, stampBase, 64); err != nil {
		return s, err
	}
	if s.replaced, err = strconv.ParseInt(replaced, stampBase, 64); err != nil || documents == "" {
		return s, err
	}
	s.documents, err = strconv.ParseInt(documents, stampBase, 64)
	return s, err
}

// stagingUID is the uid that says it. Stamps follow two hyphens: neither they nor a tenant begin with one.
func (ix *Index) stagingUID(tenant string, n stagingName) string {
	token, stamps := uint64(n.token), "" //nolint:gosec // -1 is all ones
	if n.stamps != [2]stamp{} {
		stamps = fmt.Sprintf("-%v-%v-", n.stamps[0], n.stamps[1])
	}
	return fmt.Sprintf("%s-%s-%016x-%08x-%s%s", ix.cfg.Prefix, n.instance, token, n.number, stamps, encodeName(tenant))
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
	n = stagingName{instance: parts[1], token: int64(token), number: uint32(number)} //nolint:gosec // all ones are -1
	for i := range n.stamps {
		if at := 4 + 3*i; parts[at] == "" {
			continue
		} else if n.stamps[i], err = parseStamp(parts[at], parts[at+1], parts[at+2]); err != nil {
			return stagingName{}, false
		}
	}
	return n, true
}

// LiveUID returns the uid of the index that searches of the tenant use: Config.Prefix and the tenant, which is written
// as [Key] writes an id. There is no such index before the tenant's first reindex.
func (ix *Index) LiveUID(tenant string) string { return ix.cfg.Prefix + encodeName(tenant) }

// generationName is the name of the generation in an index: when it was created, by the server's clock. Its uid changes
// when it goes live and when another one does.
func generationName(created time.Time) string {
	return created.UTC().Format("20060102T150405.000000000Z")
}

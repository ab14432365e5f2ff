package meiliindex

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// stagingName is the parsed middle part of the uid of an index other than the live one. The uid consists of the prefix,
// a hyphen, this part, a hyphen, and the encoded tenant. The uid of a live index has no hyphen after the prefix, so the
// two kinds of uids differ for all tenants.
type stagingName struct {
	instance string // 12 hex digits that identify the Index
	token    int64  // the fencing token of the run; noToken if it has none
	number   uint32 // counts the generations of the Index from 1; a mark has 0, or a number with markBit

	// stamps describe the two indexes that may have this uid if the live index will be kept: the one that is to become
	// live, and the live one, which gets this uid by the swap. They are zero until Commit.
	stamps [2]stamp
}

// stamp describes an index. The creation time identifies the index, since it does not change with the uid.
type stamp struct {
	created   int64 // nanoseconds since 1970; 0: no index
	replaced  int64 // nanoseconds since 1970 when another index replaced it; 0: it was not replaced
	documents int64 // the number of documents at that time; -1: not known, or edited since
}

const (
	noToken = -1
	nobody  = "000000000000" // the instance in the mark of a generation that became live
	markBit = 1 << 31
	// closedBit is set in the number of an index that no other process can write to any more.
	closedBit = 1 << 30
)

// markName returns the name of a mark, an empty index that records the greatest fencing token of the tenant's
// generations. When the uid of a generation changes, its mark gets another number.
func markName(instance string, token int64, number uint32) stagingName {
	if number > 0 {
		number |= markBit
	}
	return stagingName{instance: instance, token: token, number: number}
}

func (n stagingName) isMark() bool { return n.number == 0 || n.number&markBit != 0 }

// isOlder reports whether the name belongs to a run with a smaller token. If either has no token, it reports false.
func (n stagingName) isOlder(token int64) bool {
	return n.token != noToken && token != noToken && n.token < token
}

// base returns the name without the parts that change during the life of a generation.
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

// parseStamp returns the stamp with these parts, as stampPattern matches them.
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

// stagingUID returns the uid for a name. Two hyphens precede the stamps; an encoded tenant does not begin with a
// hyphen, so the uid is unambiguous.
func (ix *Index) stagingUID(tenant string, n stagingName) string {
	token, stamps := uint64(n.token), "" //nolint:gosec // -1 is all ones
	if n.stamps != [2]stamp{} {
		stamps = fmt.Sprintf("-%v-%v-", n.stamps[0], n.stamps[1])
	}
	return fmt.Sprintf("%s-%s-%016x-%08x-%s%s", ix.cfg.Prefix, n.instance, token, n.number, stamps, encodeName(tenant))
}

// parseStaging parses the uid of an index of the tenant other than the live one. It reports false for any other uid.
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

// LiveUID returns the uid of the tenant's live index, for searches: Config.Prefix followed by the tenant, encoded as
// [Key] encodes an id. The index does not exist before the tenant's first successful run.
func (ix *Index) LiveUID(tenant string) string { return ix.cfg.Prefix + encodeName(tenant) }

// generationName returns the name of the generation whose index was created at that time, by the server's clock. The
// uid cannot be the name, since it changes when the generation becomes live and when it is replaced.
func generationName(created time.Time) string {
	return created.UTC().Format("20060102T150405.000000000Z")
}

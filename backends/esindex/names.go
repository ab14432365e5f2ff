package esindex

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Two tenants, or two prefixes, never share a name. The part of an alias after its last hyphen is the encoded tenant,
// which has only lower-case letters, digits and underscores. Every other name of a tenant has a dot after its last
// hyphen.
//
//	<prefix>-<tenant>                            the alias that searches use
//	<prefix>-<tenant>-<time>.<random>            a generation
//	<prefix>-<tenant>-<time>.<random>.<purpose>  an alias of this generation alone, see fence and run
//	<prefix>-<tenant>-.kept<time>.<products>     an alias of a kept generation, see keeping
//
// Index names have at most 255 bytes, no upper-case letters, none of \ / * ? " < > | , # : and space, and begin with a
// letter or a digit (Elasticsearch's rules for create index).

const (
	maxPrefixBytes = 100
	maxTenantPart  = 100 // bytes of an encoded tenant that stays readable; longer ones become a hash
)

var (
	prefixGrammar     = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	aliasGrammar      = regexp.MustCompile(`^[^A-Z\\/*?"<>| ,#:{}+_.-][^A-Z\\/*?"<>| ,#:{}]*$`)
	generationGrammar = regexp.MustCompile(`^[0-9]{8}t[0-9]{9}\.[a-z2-7]{13}$`)
)

// aliasName returns the name of the tenant's alias.
func aliasName(prefix, tenant string) string { return prefix + "-" + encodeTenant(tenant) }

// keptPrefix returns the prefix of the aliases of kept generations.
func keptPrefix(alias string) string { return alias + "-.kept" }

// generationName returns a new name, which sorts after those made earlier. Its random part has 65 bits.
func generationName(alias string, now time.Time) string {
	stamp := strings.Replace(now.UTC().Format("20060102t150405.000"), ".", "", 1)
	return alias + "-" + stamp + "." + strings.ToLower(rand.Text()[:13])
}

// isGeneration reports whether index is a generation of the alias.
func isGeneration(alias, index string) bool {
	rest, ok := strings.CutPrefix(index, alias+"-")
	return ok && generationGrammar.MatchString(rest)
}

// encodeTenant keeps lower-case letters and digits and writes every other byte as _ and two hexadecimal digits. If the
// result is too long, it is replaced by two underscores and the SHA-256 of the tenant; no other result begins with two
// underscores.
func encodeTenant(tenant string) string {
	var b strings.Builder
	for i := range len(tenant) {
		if c := tenant[i]; 'a' <= c && c <= 'z' || '0' <= c && c <= '9' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	if b.Len() <= maxTenantPart {
		return b.String()
	}
	sum := sha256.Sum256([]byte(tenant))
	return "__" + strings.ToLower(base32.HexEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:]))
}

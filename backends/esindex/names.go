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

// Names are made so that no two tenants, and no two prefixes, ever share one. The last part of an alias, after its last
// hyphen, is the encoded tenant: lower-case letters, digits and underscores. Every other name that belongs to a tenant
// has a dot in its last part, which an alias never has.
//
//	<prefix>-<tenant>                            the alias that searches use
//	<prefix>-<tenant>-<time>.<random>            a generation
//	<prefix>-<tenant>-<time>.<random>.<purpose>  an alias of one generation alone, see fence
//	<prefix>-<tenant>-.kept<time>.<products>     an alias of a generation to go back to, see keeping
//
// Index names have at most 255 bytes, all lower case, without \ / * ? " < > | , # : and space, and start with a letter
// or a digit (Elasticsearch's rules for create index).

const (
	maxPrefixBytes = 100
	maxTenantPart  = 100 // bytes of an encoded tenant that stays readable; longer ones become a hash
)

var (
	prefixGrammar     = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)
	aliasGrammar      = regexp.MustCompile(`^[^A-Z\\/*?"<>| ,#:{}+_.-][^A-Z\\/*?"<>| ,#:{}]*$`)
	generationGrammar = regexp.MustCompile(`^[0-9]{8}t[0-9]{9}\.[a-z2-7]{13}$`)
)

// aliasName is the name under which the tenant is searched.
func aliasName(prefix, tenant string) string { return prefix + "-" + encodeTenant(tenant) }

// keptPrefix begins the aliases of the generations that are kept.
func keptPrefix(alias string) string { return alias + "-.kept" }

// generationName is a new name, later in order than those made before. Its random part has 65 bits.
func generationName(alias string, now time.Time) string {
	stamp := strings.Replace(now.UTC().Format("20060102t150405.000"), ".", "", 1)
	return alias + "-" + stamp + "." + strings.ToLower(rand.Text()[:13])
}

// isGeneration reports whether index is a generation of the alias.
func isGeneration(alias, index string) bool {
	rest, ok := strings.CutPrefix(index, alias+"-")
	return ok && generationGrammar.MatchString(rest)
}

// encodeTenant keeps lower-case letters and digits and writes every other byte as _ and two hexadecimal digits. A
// tenant that gets too long that way becomes two underscores, which nothing else begins with, and its SHA-256.
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

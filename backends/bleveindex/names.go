package bleveindex

import (
	"encoding/base32"
	"strings"
)

const (
	plainPrefix   = "t-"
	encodedPrefix = "x-"
)

// base32Lower has one case and no character that any file system treats in its own way.
var base32Lower = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// tenantDir returns the name of a tenant's directory. Different tenants have different names, also on a file system that ignores case
// or normalises Unicode; no name is special on any system, and the longest tenant's has 207 bytes.
func tenantDir(tenant string) string {
	if strings.IndexFunc(tenant, notPlain) < 0 {
		return plainPrefix + tenant
	}
	return encodedPrefix + base32Lower.EncodeToString([]byte(tenant))
}

func notPlain(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// isTenantDir reports whether name can be that of a tenant's directory.
func isTenantDir(name string) bool {
	return strings.HasPrefix(name, plainPrefix) || strings.HasPrefix(name, encodedPrefix)
}

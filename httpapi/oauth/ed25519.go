package oauth

import (
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// ed25519Name is the name that RFC 9864 gives to EdDSA with the curve Ed25519, the only curve that this package
// accepts.
const ed25519Name = "Ed25519"

// ed25519Method is EdDSA under its new name.
type ed25519Method struct{ *jwt.SigningMethodEd25519 }

// Alg returns the name.
func (ed25519Method) Alg() string { return ed25519Name }

// knowEd25519 registers the name with the JWT library, unless it has it.
var knowEd25519 = sync.OnceFunc(func() {
	if jwt.GetSigningMethod(ed25519Name) == nil {
		jwt.RegisterSigningMethod(ed25519Name, func() jwt.SigningMethod { return ed25519Method{jwt.SigningMethodEdDSA} })
	}
})

// generic returns the same name for both names of EdDSA.
func generic(alg string) string {
	if alg == ed25519Name {
		return jwt.SigningMethodEdDSA.Alg()
	}
	return alg
}

package oauth

import (
	"sync"

	"github.com/golang-jwt/jwt/v5"
)

// ed25519Name is the name that RFC 9864 gives to EdDSA with the curve of the same name, the only one that is used here.
const ed25519Name = "Ed25519"

// ed25519Method is EdDSA under its new name.
type ed25519Method struct{ *jwt.SigningMethodEd25519 }

// Alg returns the name.
func (ed25519Method) Alg() string { return ed25519Name }

// knowEd25519 makes the JWT library know the name, unless it does.
var knowEd25519 = sync.OnceFunc(func() {
	if jwt.GetSigningMethod(ed25519Name) == nil {
		jwt.RegisterSigningMethod(ed25519Name, func() jwt.SigningMethod { return ed25519Method{jwt.SigningMethodEdDSA} })
	}
})

// generic returns the one name of an algorithm that has two.
func generic(alg string) string {
	if alg == ed25519Name {
		return jwt.SigningMethodEdDSA.Alg()
	}
	return alg
}

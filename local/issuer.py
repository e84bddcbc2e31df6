"""An issuer of access tokens for development: it signs what it is asked to, for anybody.

It has no address. order-api gets its keys by the setting ``JWT_KEYS``.
"""

import json
import time
from typing import Any, Final
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

ISSUER: Final = "https://issuer.invalid"  # RFC 6761: no such host exists
AUDIENCE: Final = "orders"
LIFETIME: Final = 3600  # s, as Cognito's
_RSA_BITS: Final = 2048
_EXPONENT: Final = 65537


class DevelopmentIssuer:
    """One key, and tokens signed with it. ``algorithm`` is ES256 or RS256."""

    def __init__(
        self, issuer: str = ISSUER, audience: str = AUDIENCE, algorithm: str = "ES256"
    ) -> None:
        self.issuer, self.audience, self.algorithm = issuer, audience, algorithm
        self.key_id = f"development-{uuid4().hex[:8]}"
        self.key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey = (
            ec.generate_private_key(ec.SECP256R1())
            if algorithm == "ES256"
            else rsa.generate_private_key(_EXPONENT, _RSA_BITS)
        )

    def settings(self) -> dict[str, str]:
        """Return the environment in which order-api accepts the tokens."""
        return {
            "AUTH": "jwt",
            "JWT_ISSUER": self.issuer,
            "JWT_AUDIENCE": self.audience,
            "JWT_KEYS": self.document(),
        }

    def document(self) -> str:
        """Return the public key as a JWKS document."""
        return json.dumps({"keys": [self.public()]})

    def public(self) -> dict[str, Any]:
        """Return the public key as a JSON Web Key."""
        public = self.key.public_key()
        key: dict[str, Any] = (
            ECAlgorithm.to_jwk(public, as_dict=True)
            if isinstance(public, ec.EllipticCurvePublicKey)
            else RSAAlgorithm.to_jwk(public, as_dict=True)
        )
        return key | {"kid": self.key_id, "use": "sig", "alg": self.algorithm}

    def token(self, subject: str, *scopes: str, **claims: Any) -> str:
        """Sign a token. A claim of None is left out."""
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": subject,
            "iat": now,
            "exp": now + LIFETIME,
            "scope": " ".join(scopes),
        } | claims
        kept = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(kept, self.key, self.algorithm, headers={"kid": self.key_id})

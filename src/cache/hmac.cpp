// SPDX-License-Identifier: MIT
#include "cache/hmac.hpp"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <memory>

namespace hypernodes {
namespace {

struct FreeContext {
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

}  // namespace

std::optional<Digest> hmac_sha256(std::string_view secret,
                                  std::initializer_list<std::string_view> parts) {
  const auto bytes = [](std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
  };
  // Looked up once, never freed: records are written until the process ends.
  static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, OSSL_MAC_NAME_HMAC, nullptr);
  const std::unique_ptr<EVP_MAC_CTX, FreeContext> context(hmac ? EVP_MAC_CTX_new(hmac) : nullptr);
  if (context == nullptr) return std::nullopt;
  char name[] = "SHA256";
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                                   OSSL_PARAM_construct_end()};
  if (EVP_MAC_init(context.get(), bytes(secret), secret.size(), parameters) != 1) {
    return std::nullopt;
  }
  for (const std::string_view part : parts) {
    if (EVP_MAC_update(context.get(), bytes(part), part.size()) != 1) return std::nullopt;
  }
  Digest mac;
  std::size_t size = 0;
  if (EVP_MAC_final(context.get(), mac.bytes.data(), &size, mac.bytes.size()) != 1 ||
      size != mac.bytes.size()) {
    return std::nullopt;
  }
  return mac;
}

bool same_mac(const Digest& a, const Digest& b) {
  return CRYPTO_memcmp(a.bytes.data(), b.bytes.data(), a.bytes.size()) == 0;
}

}  // namespace hypernodes

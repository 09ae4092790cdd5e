/*-------------------------------------------------------------------------
 *
 * redis_url.c
 *	  Fuzzing of src/base/redis_url.c: the input is the text of the setting.
 *
 * Nothing beyond the text is read, and all parts of a URL are strings within
 * their arrays.  What is shown does not depend on user and password, fits the
 * space that the callers have, can itself be read again, and then says the
 * same place.
 *
 *-------------------------------------------------------------------------
 */
#include "fuzz.h"

#include "../../src/base/redis_url.c"

#define SHOWN_SIZE (2 * REDIS_URL_MAX_PART) /* what callers have */

static bool
IsString(const char *part)
{
	return memchr(part, '\0', REDIS_URL_MAX_PART) != NULL;
}

static void
CheckShown(const RedisUrl *url)
{
	char	   *shown = malloc(SHOWN_SIZE);
	char	   *again = malloc(SHOWN_SIZE);
	char	   *text;
	RedisUrl	other = *url;
	const char *detail;

	RedisUrlForDisplay(url, shown, SHOWN_SIZE);
	CHECK(strlen(shown) < SHOWN_SIZE - 1);
	for (const char *p = shown; *p != '\0'; p++)
		CHECK(*p > ' ' && *p < 0x7F);

	memset(other.user, 'u', REDIS_URL_MAX_PART - 1);
	memset(other.password, 'p', REDIS_URL_MAX_PART - 1);
	CHECK(strcmp(RedisUrlForDisplay(&other, again, SHOWN_SIZE), shown) == 0);

	text = strdup(shown);
	CHECK(RedisUrlParse(text, &other, &detail));
	CHECK(other.is_unix == url->is_unix && other.use_tls == url->use_tls &&
		  other.port == url->port && other.db == url->db &&
		  strcmp(other.host, url->host) == 0 && other.user[0] == '\0' &&
		  other.password[0] == '\0');

	/* Less space is not exceeded either. */
	free(again);
	again = malloc(1 + url->db % 40);
	RedisUrlForDisplay(url, again, 1 + url->db % 40);
	CHECK(strncmp(again, shown, strlen(again)) == 0);

	free(text);
	free(shown);
	free(again);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	Size		len = strnlen((const char *) data, size);
	char	   *text = malloc(len + 1);
	RedisUrl	url;
	const char *detail = "";

	memcpy(text, data, len);
	text[len] = '\0';
	memset(&url, 0xA5, sizeof(url));
	if (RedisUrlParse(text, &url, &detail))
	{
		CHECK(IsString(url.host) && IsString(url.user) &&
			  IsString(url.password));
		CHECK(url.host[0] != '\0' && url.db >= 0 && url.db <= REDIS_MAX_DB);
		CHECK(url.is_unix ? url.host[0] == '/' && !url.use_tls
						  : url.port > 0 && url.port <= 65535);
		CheckShown(&url);
	}
	else
		CHECK(detail != NULL && detail[0] != '\0');
	free(text);
	return 0;
}

"""The settings of file stores and of what goes in and out of them, as rows."""

from __future__ import annotations

from app_runner.setting_types import (
    Setting,
    choice,
    credentials,
    integer,
    integer_or_zero,
    json_pairs,
    text,
    url_of,
    url_path,
)

FILE_SETTINGS: tuple[Setting, ...] = (
    Setting("DEFAULT_FILE_STORE", "local_filesystem", text, "Store of new result files."),
    Setting(
        "PLUGIN_FILE_STORES",
        (),
        json_pairs,
        "JSON object: regular expression for plugin ids (`name@version`) to the store of "
        "their result files.",
    ),
    Setting(
        "FILE_STORE_FOLDER", "", text, "Folder of the local store. Empty: in instance."
    ),
    Setting("S3_BUCKET", "", text, "Bucket of the store `s3`. Empty: there is none."),
    Setting(
        "S3_ENDPOINT_URL",
        "",
        url_of("http", "https"),
        "Address of an S3-compatible server. Empty: Amazon's.",
    ),
    Setting(
        "S3_PUBLIC_URL",
        "",
        url_of("http", "https"),
        "Address under which clients reach that server, when it is another one.",
    ),
    Setting("S3_REGION", "", text, "Region of the bucket."),
    Setting("S3_ACCESS_KEY_ID", "", text, "Name of the access key.", secret=True),
    Setting(
        "S3_SECRET_ACCESS_KEY",
        "",
        text,
        "The access key. Empty: boto3 looks for one where it always does.",
        secret=True,
    ),
    Setting("S3_PREFIX", "", text, "Begins the key of every object of this runner."),
    Setting(
        "S3_ENCRYPTION",
        "",
        choice("", "AES256", "aws:kms"),
        "Encryption that the server is asked for.",
    ),
    Setting("S3_KMS_KEY", "", text, "Key for the encryption `aws:kms`."),
    Setting(
        "FILE_DELIVERY",
        "stream",
        choice("stream", "redirect", "x-accel-redirect", "x-sendfile"),
        "Who sends files to clients: the runner, an object store (by a redirect to it), "
        "or the web server in front.",
    ),
    Setting(
        "FILE_ACCEL_PATH",
        "/protected-files/",
        url_path,
        "Internal location of nginx for the folder of the local store.",
    ),
    Setting(
        "FILE_URL_SECONDS",
        0,
        integer_or_zero(7200, 10**9),
        "Seconds that the URLs of result files in tasks work. 0: as long as the file.",
    ),
    Setting(
        "FETCH_RETRIES",
        2,
        integer(0, 20),
        "How often a failed request for an input, or a broken download, is tried again.",
    ),
    Setting(
        "FETCH_CREDENTIALS",
        (),
        credentials,
        "JSON object: origin to `Bearer <token>` or `Basic <user>:<password>`.",
        secret=True,
    ),
    Setting(
        "TASK_FILE_QUOTA",
        0,
        integer(0, 2**50),
        "Bytes that all files of one task may have together. 0: any number.",
    ),
    Setting(
        "USER_FILE_QUOTA",
        0,
        integer(0, 2**50),
        "Bytes that all files and uploads of one user may have together. 0: any number.",
    ),
    Setting("UPLOAD_MAX_BYTES", 10 * 2**30, integer(1024, 2**50), "Bytes of one upload."),
    Setting(
        "UPLOAD_HOURS",
        24,
        integer(1, 10_000),
        "Hours after which an upload goes that was not read since.",
    ),
)

"""Who calls: S01 to S05."""

from __future__ import annotations

import asyncio
import hashlib
import subprocess
from pathlib import Path

import grpc
import pytest
from harness import HOST, ROOT, FarEnd, running

from socket_gateway import TLS, GatewayError, SessionNotFound, Unauthenticated, Unavailable
from socket_gateway.aio import Gateway

scenario = pytest.mark.scenario


def token_table(name: str) -> str:
    digest = hashlib.sha256(f"conformance-{name}".encode()).hexdigest()
    return f'[[identity.tokens]]\nname = "{name}"\nsha256 = "{digest}"\n'


TOKENS = token_table("ann") + token_table("ben")


def configuration(folder: Path, identity: str, tls: str = "") -> Path:
    file = folder / "gateway.toml"
    file.write_text(f'[policy]\nprofile = "dev"\n{tls}{identity}', encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run([str(ROOT / "tests/conformance/certificates"), str(folder)], check=True)
    return folder


async def echoes(gateway: Gateway, far: FarEnd) -> None:
    async with await gateway.connect(HOST, far["echo"], mode="line") as session:
        await session.send("hello")
        assert await session.readline(30) == "hello"
        assert (await gateway.get_session(session.id)).session_id == session.id


@scenario("S01-token")
async def test_who_has_a_token_is_let_in(far: FarEnd, tmp_path: Path) -> None:
    with running(config=configuration(tmp_path, TOKENS)) as process:
        async with Gateway(process.address, token="conformance-ann") as gateway:
            await echoes(gateway, far)
        async with Gateway(process.address, token=lambda: "conformance-ann") as gateway:
            await echoes(gateway, far)


@scenario("S02-wrong-token")
async def test_who_has_none_or_a_wrong_one_is_told_so(tmp_path: Path) -> None:
    with running(config=configuration(tmp_path, TOKENS)) as process:
        for token in (None, "wrong"):
            with pytest.raises(Unauthenticated) as refused:
                # Without an end to the patience: it is not for the patience to end.
                await asyncio.wait_for(Gateway(process.address, token=token, patience=None).open(), 30)
            assert refused.value.code is grpc.StatusCode.UNAUTHENTICATED
            assert refused.value.reason == "UNAUTHENTICATED"


@scenario("S03-namespaces")
async def test_callers_do_not_notice_each_other(far: FarEnd, tmp_path: Path) -> None:
    with running(config=configuration(tmp_path, TOKENS)) as process:
        ann = Gateway(process.address, token="conformance-ann", subscriber="same")
        ben = Gateway(process.address, token="conformance-ben", subscriber="same")
        async with ann, ben:
            shared = [await each.connect(HOST, far["answers"], mode="line", session_id="shared") for each in (ann, ben)]
            for session, word in zip(shared, ("anns", "bens")):
                await session.send(word)
            assert [await session.readline(30) for session in shared] == ["re: anns", "re: bens"]
            own = await ann.connect(HOST, far["silent"])
            with pytest.raises(SessionNotFound):
                await ben.session(own.id)


@scenario("S04-tls")
async def test_the_way_is_encrypted_and_the_gateway_is_who_it_says(
    far: FarEnd, tmp_path: Path, certificates: Path
) -> None:
    tls = f'[tls]\ncertificate = "{certificates}/server.pem"\nkey = "{certificates}/server.key"\n'
    with running(config=configuration(tmp_path, TOKENS, tls)) as process:
        trusted = TLS(ca=certificates / "ca.pem")
        async with Gateway(process.address, token="conformance-ann", tls=trusted) as gateway:
            await echoes(gateway, far)
        for other in (TLS(ca=certificates / "other-ca.pem"), None):
            with pytest.raises(Unavailable):
                await Gateway(process.address, token="conformance-ann", tls=other, patience=1).open()


@scenario("S05-client-certificate")
async def test_a_client_is_known_by_its_certificate(far: FarEnd, tmp_path: Path, certificates: Path) -> None:
    tls = (
        f'[tls]\ncertificate = "{certificates}/server.pem"\nkey = "{certificates}/server.key"\n'
        f'client_ca = "{certificates}/ca.pem"\nclient_auth = "required"\n'
    )
    known = '[[identity.certificates]]\ndns = "conformance-client"\nname = "ann"\n'
    with running(config=configuration(tmp_path, known, tls)) as process:
        ca = certificates / "ca.pem"
        mine = TLS(ca=ca, cert=certificates / "client.pem", key=(certificates / "client.key").read_bytes())
        async with Gateway(process.address, tls=mine) as gateway:
            await echoes(gateway, far)
        with pytest.raises(GatewayError):
            await Gateway(process.address, tls=TLS(ca=ca), patience=1).open()

/**
 * Documents as tools write them, byte for byte: buildah 1.28 built a two-layer image from scratch and a
 * two-platform list; skopeo 1.9 copied them to an OCI layout, to schema 2 and to a docker-archive.
 */
export const CONFIG_HEX = 'afa8f658fb5d8e22eb7ab66e670a4ae47bdaea8f50db79ba8880f19a5c9df186';
export const MANIFEST_HEX = '345b5e8447d7644f2a028b15c861f5ed6d1c804a02248164c965b67ef5242cf6';
export const INDEX_HEX = '7e92dd54d18c80de2077c30ace4ef9407149c392b043cd6f26d3f2f6bbde5901';
export const AMD64_MANIFEST_HEX = 'cc9e02e1b8640703f146ce78088c018fefabb6367ca837f8b2d2d901602b4fc1';
export const DIFF_IDS = [
  'sha256:77f8ae5dcc9c756fbe9f583e7e9496e6a926ad20d0075ecadf43b10ea20a87b3',
  'sha256:a33ed559a28669e7ed9f2e76b53789461bf03e7e8cf705a91a93a402cbabb20c',
] as const;
export const LAYER_DIGESTS = [
  'sha256:6309f4875ac21f9e857f20639f2f3601f807a0100302344fe271f5661fc9a4d6',
  'sha256:237c80655eeca2a3cd14bcad0ec115516e50b28fd400a499a91bcb6975b488b2',
] as const;

export const CONFIG_JSON =
  '{"created":"2026-11-22T08:19:05.476620349Z","architecture":"amd64","os":"linux","config":{"User":"1000","ExposedPorts":{"80/tcp":{}},"Env":["A=B"],"Entrypoint":["/e"],"Cmd":["/f"],"WorkingDir":"/w","Labels":{"io.buildah.version":"1.28.2","l":"v"}},"rootfs":{"type":"layers","diff_ids":["sha256:77f8ae5dcc9c756fbe9f583e7e9496e6a926ad20d0075ecadf43b10ea20a87b3","sha256:a33ed559a28669e7ed9f2e76b53789461bf03e7e8cf705a91a93a402cbabb20c"]},"history":[{"created":"2026-11-22T08:19:05.024695996Z","created_by":"/bin/sh"},{"created":"2026-11-22T08:19:06.001374906Z","created_by":"/bin/sh","comment":"FROM localhost/app:1.0"}]}';

export const MANIFEST_JSON =
  '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:afa8f658fb5d8e22eb7ab66e670a4ae47bdaea8f50db79ba8880f19a5c9df186","size":619},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:6309f4875ac21f9e857f20639f2f3601f807a0100302344fe271f5661fc9a4d6","size":107},{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"sha256:237c80655eeca2a3cd14bcad0ec115516e50b28fd400a499a91bcb6975b488b2","size":102}],"annotations":{"org.opencontainers.image.base.digest":"sha256:0cf75ffa1443765ffc21bb727445c2aefb06750b0fd8e2462889892d454a8b2f","org.opencontainers.image.base.name":"localhost/app:1.0"}}';

export const SCHEMA2_MANIFEST_JSON =
  '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":"application/vnd.docker.container.image.v1+json","size":619,"digest":"sha256:afa8f658fb5d8e22eb7ab66e670a4ae47bdaea8f50db79ba8880f19a5c9df186"},"layers":[{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":107,"digest":"sha256:6309f4875ac21f9e857f20639f2f3601f807a0100302344fe271f5661fc9a4d6"},{"mediaType":"application/vnd.docker.image.rootfs.diff.tar.gzip","size":102,"digest":"sha256:237c80655eeca2a3cd14bcad0ec115516e50b28fd400a499a91bcb6975b488b2"}]}';

export const INDEX_JSON =
  '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:cc9e02e1b8640703f146ce78088c018fefabb6367ca837f8b2d2d901602b4fc1","size":499,"platform":{"architecture":"amd64","os":"linux"}},{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:345b5e8447d7644f2a028b15c861f5ed6d1c804a02248164c965b67ef5242cf6","size":741,"platform":{"architecture":"arm64","os":"linux","variant":"v8"}}]}';

/** index.json of a layout made with `skopeo copy … oci:dir:app:2.0`. */
export const LAYOUT_INDEX_JSON =
  '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:345b5e8447d7644f2a028b15c861f5ed6d1c804a02248164c965b67ef5242cf6","size":741,"annotations":{"org.opencontainers.image.ref.name":"app:2.0"}}]}';

/** manifest.json of `podman save -m` of two images that share a layer. */
export const DOCKER_ARCHIVE_JSON =
  '[{"Config":"62597bfee7330a8f9f198881532bd76a3fd0df633223ea2f45e3eb2942d53919.json","RepoTags":["localhost/app:1.0"],"Layers":["77f8ae5dcc9c756fbe9f583e7e9496e6a926ad20d0075ecadf43b10ea20a87b3.tar"]},{"Config":"afa8f658fb5d8e22eb7ab66e670a4ae47bdaea8f50db79ba8880f19a5c9df186.json","RepoTags":["localhost/app:2.0"],"Layers":["77f8ae5dcc9c756fbe9f583e7e9496e6a926ad20d0075ecadf43b10ea20a87b3.tar","a33ed559a28669e7ed9f2e76b53789461bf03e7e8cf705a91a93a402cbabb20c.tar"]}]';

export const OCI_LAYOUT_JSON = '{"imageLayoutVersion": "1.0.0"}';

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

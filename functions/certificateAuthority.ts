import type { Deps } from '../shared/deps.ts';
import { ApiError } from '../shared/errors.ts';
import { type Route, route } from '../shared/http.ts';
import { findAuthority } from '../shared/steps/certificate.ts';

export const certificateAuthorityRoutes = (deps: Deps): Route[] => [
  route(
    {
      operationId: 'CertificateAuthority_Get',
      summary: "The certificate of Molcajete's own authority as PEM, to be trusted by users' browsers.",
      method: 'GET',
      path: '/certificate-authority',
      role: 'Reader',
      responses: { 200: { description: 'The certificate, without its key.' } },
    },
    async () => {
      const authority = await findAuthority(deps.vaults.control);
      if (authority === undefined) {
        const message = 'There is no authority yet: it is made with the first jump server that brings no certificate.';
        throw new ApiError(404, 'CertificateAuthorityNotFound', message);
      }
      return { body: authority.certificate, headers: { 'content-type': 'application/x-pem-file' } };
    },
  ),
];

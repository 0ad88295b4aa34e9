//! Reads Direct Connect gateways: which prefixes they advertise to on-premises.

use crate::codes::Ec2Error;
use crate::convert::parse;
use crate::network::AwsNetwork;
use crate::pace::Class;
use aws_sdk_directconnect::types::{
    DirectConnectGatewayAssociation, DirectConnectGatewayAssociationState as AssociationState, GatewayType,
};
use holdfast_model::{DxGateway, DxGatewayId, Prefix, TgwId};
use std::collections::{BTreeMap, BTreeSet};

const GATEWAYS: &str = "DescribeDirectConnectGateways";
const ASSOCIATIONS: &str = "DescribeDirectConnectGatewayAssociations";

impl AwsNetwork {
    /// A Direct Connect gateway with the prefixes that each associated transit gateway may advertise. A gateway is the same in every Region.
    pub(crate) async fn read_dx_gateway(&self, id: &DxGatewayId) -> Result<DxGateway, Ec2Error> {
        let what = format!("Direct Connect gateway `{id}`");
        let name = async {
            self.pace.take(GATEWAYS, Class::Read).await;
            let request = self.dx.describe_direct_connect_gateways().direct_connect_gateway_id(id.as_str());
            let found = request.send().await.map_err(|error| self.error(GATEWAYS, &what, &error))?;
            Ok::<_, Ec2Error>(
                found
                    .direct_connect_gateways()
                    .first()
                    .and_then(|it| it.direct_connect_gateway_name())
                    .map(str::to_owned),
            )
        };
        let associations = async {
            let mut all: Vec<DirectConnectGatewayAssociation> = Vec::new();
            let mut token: Option<String> = None;
            loop {
                self.pace.take(ASSOCIATIONS, Class::Read).await;
                let request = self
                    .dx
                    .describe_direct_connect_gateway_associations()
                    .direct_connect_gateway_id(id.as_str())
                    .set_next_token(token.take());
                let page = request.send().await.map_err(|error| self.error(ASSOCIATIONS, &what, &error))?;
                all.extend(page.direct_connect_gateway_associations.unwrap_or_default());
                token = page.next_token.filter(|next| !next.is_empty());
                if token.is_none() {
                    return Ok::<_, Ec2Error>(all);
                }
            }
        };
        let (name, associations) = futures::future::try_join(name, associations).await?;
        let mut allowed = BTreeMap::new();
        for association in &associations {
            let found = allowed_of(association).map_err(|error| self.malformed(ASSOCIATIONS, &what, error))?;
            allowed.extend(found);
        }
        Ok(DxGateway { id: id.clone(), name, allowed })
    }
}

/// Transit gateway and IPv4 prefixes of an association that advertises; none of a virtual private gateway, and none that is gone.
fn allowed_of(association: &DirectConnectGatewayAssociation) -> Result<Option<(TgwId, BTreeSet<Prefix>)>, String> {
    let Some(gateway) = association.associated_gateway() else { return Ok(None) };
    if gateway.r#type() != Some(&GatewayType::TransitGateway) {
        return Ok(None);
    }
    match association.association_state() {
        Some(AssociationState::Associated | AssociationState::Updating | AssociationState::Disassociating) => {}
        Some(AssociationState::Associating | AssociationState::Disassociated) => return Ok(None),
        other => return Err(format!("an association is in state {other:?}")),
    }
    let tgw = parse::<TgwId>("transit gateway of an association", gateway.id())?;
    let prefixes = association
        .allowed_prefixes_to_direct_connect_gateway()
        .iter()
        .filter(|prefix| prefix.cidr().is_none_or(|cidr| !cidr.contains(':')))
        .map(|prefix| parse::<Prefix>("allowed prefix", prefix.cidr()))
        .collect::<Result<_, _>>()?;
    Ok(Some((tgw, prefixes)))
}
